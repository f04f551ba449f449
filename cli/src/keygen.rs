//! keygen: keys as files.

use std::fs::remove_file;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use zefiro::certificate::{Certificate, create, secret_path};
use zefiro::{CurveSecret, SharedKey};

/// Make keys: a pair for CURVE, or one that both ends share
///
/// A pair is two certificates in CZMQ's format: NAME with the public key to give away, and NAME_secret with both keys,
/// that only you can read. The public key is printed. With --shared it is one file, NAME, that only you can read: copy
/// it to the other end, and have it read there and here (SharedKey::from_file, or ZEFIRO_KEY_FILE). Files that are there
/// are not overwritten.
#[derive(clap::Args)]
#[command(after_help = crate::args::examples!(
    "zefiro keygen server.key",
    "zefiro keygen --property name=Alice alice.key",
    "zefiro keygen --shared app.key",
))]
pub struct Args {
    /// What the files are called
    #[arg(default_value = "zefiro_key")]
    name: PathBuf,
    /// Make one key for both ends instead of a pair
    #[arg(long)]
    shared: bool,
    /// Write the 32 bytes of each key instead of text
    #[arg(long)]
    raw: bool,
    /// A property of the certificate, as name=Alice (repeatable)
    #[arg(long, value_name = "NAME=VALUE", value_parser = property, conflicts_with_all = ["shared", "raw"])]
    property: Vec<(String, String)>,
    /// Write no files, and print the keys, secret ones too
    #[arg(long, conflicts_with_all = ["name", "raw", "property"])]
    print: bool,
}

fn property(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a property looks like name=Alice")?;
    Ok((name.to_string(), value.to_string()))
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.shared { make_shared(args) } else { make_pair(args) }
}

fn make_shared(args: &Args) -> anyhow::Result<ExitCode> {
    let text = SharedKey::generate()?.to_z85();
    if args.print {
        writeln!(std::io::stdout(), "{text}")?;
        return Ok(ExitCode::SUCCESS);
    }
    let bytes = match args.raw {
        true => zefiro::z85::decode(text.as_bytes()).context("a key is always Z85")?,
        false => format!("{text}\n").into_bytes(),
    };
    create(&args.name, 0o600, &bytes)?;
    say!("shared key in {}", args.name.display());
    Ok(ExitCode::SUCCESS)
}

fn make_pair(args: &Args) -> anyhow::Result<ExitCode> {
    let secret = CurveSecret::generate()?;
    let public = secret.public();
    let mut out = std::io::stdout();
    if args.print {
        writeln!(out, "public {}\nsecret {}", public.to_z85(), secret.to_z85())?;
        return Ok(ExitCode::SUCCESS);
    }
    let secret_path = secret_path(&args.name);
    if args.raw {
        create(&secret_path, 0o600, &secret.to_bytes())?;
        create(&args.name, 0o644, public.as_bytes()).inspect_err(|_| _ = remove_file(&secret_path))?;
    } else {
        let mut certificate = Certificate::new(&secret);
        for (name, value) in &args.property {
            certificate = certificate.with(name, value);
        }
        certificate.write(&args.name)?;
    }
    let printed = writeln!(out, "{}", public.to_z85());
    if let Err(error) = printed
        && error.kind() != ErrorKind::BrokenPipe
    {
        // They are ours: a file that was there before is an error.
        let _ = (remove_file(&args.name), remove_file(&secret_path));
        return Err(error.into());
    }
    say!("public key in {}, secret key in {}", args.name.display(), secret_path.display());
    Ok(ExitCode::SUCCESS)
}
