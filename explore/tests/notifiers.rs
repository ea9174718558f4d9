//! MMU notifiers of the host: users of a guest's pages come and go while CPUs walk through them.

use explore::holds_alone;
use host::mem::notifier::witness::Witness;
use host::sync::become_cpu;
use shuttle::sync::Arc;
use shuttle::thread::{self, JoinHandle};

fn cpu(
    number: usize,
    witness: &Arc<Witness>,
    work: impl Fn(&Witness) + Send + 'static,
) -> JoinHandle<()> {
    let witness = witness.clone();
    thread::spawn(move || {
        become_cpu(number);
        work(&witness);
    })
}

fn play(witness: &Witness, cpus: impl IntoIterator<Item = JoinHandle<()>>) {
    explore::play(cpus);
    witness.check();
}

/// Walks that begin while a user is there reach it, and it is not freed before they have ended.
#[test]
fn a_user_comes_and_goes_while_two_walk() {
    holds_alone(|| {
        let witness = Arc::new(Witness::new(thread::yield_now));
        let walks = |witness: &Witness| (0..2).for_each(|_| witness.walk());
        let cpus = [
            cpu(1, &witness, |witness| {
                (0..2).for_each(|_| witness.come_and_go(0));
            }),
            cpu(2, &witness, walks),
            cpu(3, &witness, walks),
        ];
        play(&witness, cpus);
    });
}

/// Two that register at the same time are both there.
#[test]
fn users_come_and_go_at_the_same_time() {
    holds_alone(|| {
        let witness = Arc::new(Witness::new(thread::yield_now));
        let stay = |number| {
            move |witness: &Witness| {
                witness.come_and_go(number);
                witness.walk();
            }
        };
        let cpus = [
            cpu(1, &witness, stay(0)),
            cpu(2, &witness, stay(1)),
            cpu(3, &witness, Witness::walk),
        ];
        play(&witness, cpus);
    });
}

/// The same for walks in batches, as reclaim does them, beside those for a page.
#[test]
fn a_user_comes_and_goes_while_one_walks_for_batches() {
    holds_alone(|| {
        let witness = Arc::new(Witness::new(thread::yield_now));
        let cpus = [
            cpu(1, &witness, |witness| {
                (0..2).for_each(|_| witness.come_and_go(0));
            }),
            cpu(2, &witness, Witness::walk_for_batches),
            cpu(3, &witness, Witness::walk),
        ];
        play(&witness, cpus);
    });
}
