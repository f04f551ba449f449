//! Who is connected: what `peers` tells is the truth, whoever comes and goes.

mod util;

use std::collections::BTreeMap;

use util::random;
use zefiro::{Context, Dealer, Router};

/// A dealer that does not come back once it was sent away.
fn dealer(context: &Context, name: &str, endpoint: &str) -> Dealer {
    let dealer = Dealer::builder().context(context).routing_id(name).reconnect_interval(None).build().unwrap();
    dealer.connect(endpoint).unwrap();
    dealer
}

#[test]
fn peers_are_those_that_are_there() {
    let steps = if util::is_long() { 10_000 } else { 200 };
    for endpoint in util::endpoints() {
        let mut state = 1;
        let context = Context::new();
        let router: Router = util::socket(&context);
        let endpoint = router.bind(&endpoint).unwrap().to_string();
        let mut there: BTreeMap<String, Dealer> = BTreeMap::new();
        for step in 0..steps {
            let leaves = there.len() == 20 || (!there.is_empty() && random(&mut state).is_multiple_of(2));
            if leaves {
                let name = there.keys().nth(random(&mut state) as usize % there.len()).unwrap().clone();
                let dealer = there.remove(&name).unwrap();
                if random(&mut state).is_multiple_of(2) {
                    let peer = router.peers().into_iter().find(|peer| peer.routing_id == name.as_str()).unwrap();
                    router.disconnect_peer(peer.id).unwrap();
                    util::until("it is sent away", || dealer.peers().is_empty());
                }
            } else {
                let name = format!("{step}");
                there.insert(name.clone(), dealer(&context, &name, &endpoint));
            }
            let expected: Vec<&str> = there.keys().map(String::as_str).collect();
            util::until(&format!("{endpoint}, step {step}: {expected:?}"), || {
                let peers = router.peers();
                let mut names: Vec<_> = peers.iter().map(|peer| peer.routing_id.as_str().unwrap()).collect();
                names.sort_unstable();
                names == expected
            });
        }
    }
}
