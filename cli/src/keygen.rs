//! keygen: CURVE's keys as files.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use zefiro::CurveSecret;

/// Make a pair of CURVE keys
///
/// Writes NAME, a certificate with the public key to give away, and NAME_secret, one with both keys that only you can
/// read (CZMQ's format; the text of a key is Z85). Prints the public key. Files that are there are not overwritten.
#[derive(clap::Args)]
pub struct Args {
    /// What the files are called
    #[arg(default_value = "zefiro_key")]
    name: PathBuf,
    /// Write the 32 bytes of each key instead of certificates
    #[arg(long)]
    raw: bool,
    /// Write no files, and print both keys
    #[arg(long, conflicts_with = "raw")]
    print: bool,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let secret = CurveSecret::generate()?;
    let public = secret.public();
    let mut out = std::io::stdout();
    if args.print {
        writeln!(out, "public {}\nsecret {}", public.to_z85(), secret.to_z85())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut secret_path = args.name.clone().into_os_string();
    secret_path.push("_secret");
    let secret_path = PathBuf::from(secret_path);
    let (for_all, for_us) = if args.raw {
        (public.as_bytes().to_vec(), secret.to_bytes().to_vec())
    } else {
        let head = "#   Made by zefiro keygen. Keys are Z85 text (RFC 32).\n";
        let public = format!("metadata\ncurve\n    public-key = \"{}\"\n", public.to_z85());
        let secret =
            format!("{head}#   Keep this file to yourself.\n{public}    secret-key = \"{}\"\n", secret.to_z85());
        (format!("{head}{public}").into_bytes(), secret.into_bytes())
    };
    write(&secret_path, &for_us, 0o600)?;
    write(&args.name, &for_all, 0o644)?;
    writeln!(out, "{}", public.to_z85())?;
    eprintln!("public key in {}, secret key in {}", args.name.display(), secret_path.display());
    Ok(ExitCode::SUCCESS)
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> anyhow::Result<()> {
    let open = || -> std::io::Result<File> { OpenOptions::new().write(true).create_new(true).mode(mode).open(path) };
    let mut file = open().with_context(|| format!("writing {}", path.display()))?;
    file.write_all(bytes).with_context(|| format!("writing {}", path.display()))
}
