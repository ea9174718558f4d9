//! Page-fault handshaking: what the host says of a page, and what comes of a task, in any order on any CPU.

use explore::holds_alone;
use kernel::handshake::{Handshake, following};
use shuttle::sync::Arc;
use shuttle::sync::atomic::{AtomicU32, Ordering};
use shuttle::thread;

/// Which CPU is told that the page is missing.
const CPU: usize = 1;

/// A task and how often it was woken.
#[derive(Default)]
struct Task {
    woken: AtomicU32,
}

type Tasks = Handshake<Arc<Task>>;

/// What happens to be said on another CPU; who waited is woken.
fn elsewhere(
    tasks: &Arc<Tasks>,
    say: impl Fn(&Tasks) -> Option<Arc<Task>> + Send + 'static,
) -> thread::JoinHandle<()> {
    let tasks = tasks.clone();
    thread::spawn(move || {
        if let Some(task) = say(&tasks) {
            task.woken.fetch_add(1, Ordering::SeqCst);
        }
    })
}

/// The task is told that its page is missing; returns whether it waits.
fn is_told(tasks: &Tasks, token: u64, task: &Arc<Task>) -> u32 {
    tasks.initial(token, task.clone(), CPU).into()
}

/// Whoever of both comes first, the task waits if it is woken, and is woken if it waits.
#[test]
fn the_page_may_be_there_before_the_task_is_told_that_it_is_missing() {
    holds_alone(|| {
        let (tasks, task) = (Arc::new(Tasks::new()), Arc::new(Task::default()));
        let mut token = tasks.enter(1);
        let mut waits = 0;
        for _ in 0..2 {
            let other = elsewhere(&tasks, move |tasks| tasks.complete(token));
            waits += is_told(&tasks, token, &task);
            // It would wait here.
            other.join().unwrap();
            assert_eq!(task.woken.load(Ordering::SeqCst), waits);
            token = following(token);
        }
        tasks.leave(token);
    });
}

/// The CPU goes offline meanwhile: the task goes on once, and what is said of the page later is not taken
/// for what is said of the next one.
#[test]
fn a_cpu_gives_up_while_the_page_comes() {
    holds_alone(|| {
        let (tasks, task) = (Arc::new(Tasks::new()), Arc::new(Task::default()));
        let token = tasks.enter(1);
        let waits = is_told(&tasks, token, &task);
        let others = [
            elsewhere(&tasks, move |tasks| tasks.complete(token)),
            elsewhere(&tasks, |tasks| tasks.give_up(CPU)),
        ];
        explore::play(others);
        assert_eq!((waits, task.woken.load(Ordering::SeqCst)), (1, 1));
        assert_eq!(is_told(&tasks, following(token), &task), 1);
        assert!(tasks.complete(following(token)).is_some());
    });
}

/// Tasks begin and end while others are told of their pages.
#[test]
fn tasks_come_and_go_beside_one_that_waits() {
    holds_alone(|| {
        let (tasks, task) = (Arc::new(Tasks::new()), Arc::new(Task::default()));
        let token = tasks.enter(1);
        let others = [
            elsewhere(&tasks, |tasks| {
                let other = tasks.enter(2);
                assert!(tasks.complete(other).is_none());
                tasks.leave(other);
                None
            }),
            elsewhere(&tasks, move |tasks| tasks.complete(token)),
        ];
        let last = tasks.enter(3);
        let waits = is_told(&tasks, token, &task);
        explore::play(others);
        assert_eq!(task.woken.load(Ordering::SeqCst), waits);
        tasks.leave(following(token));
        tasks.leave(last);
    });
}
