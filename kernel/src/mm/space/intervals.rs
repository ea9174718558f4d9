//! A tree of intervals, in which those that contain a point are found without a look at all others.
//!
//! It is a treap: a search tree by where intervals begin, and a heap by numbers at random, which keeps it
//! flat. Each node knows where the last interval of its subtree ends, so whole subtrees are passed over.
//!
//! Nodes are made before they are put in and are given back when they are taken out: the tree itself
//! allocates and frees nothing, for it is locked when memory is short.

use alloc::boxed::Box;
use core::cmp::Ordering;

/// An interval of numbers, ordered by where it begins first of all.
pub(super) trait Interval: Ord {
    /// The first number that it contains.
    fn first(&self) -> u64;
    /// The last one.
    fn last(&self) -> u64;
}

/// A place in a tree for an interval.
pub(super) struct Node<T> {
    interval: T,
    /// No node below has a higher one.
    priority: u64,
    /// The last number that an interval of the subtree contains.
    end: u64,
    left: Link<T>,
    right: Link<T>,
}

type Link<T> = Option<Box<Node<T>>>;

impl<T: Interval> Node<T> {
    pub(super) fn new(interval: T) -> Box<Self> {
        Box::new(Self {
            end: interval.last(),
            interval,
            priority: 0,
            left: None,
            right: None,
        })
    }

    /// Finds the end again when a subtree has changed.
    fn update(&mut self) {
        let ends = [&self.left, &self.right].map(|link| link.as_ref().map_or(0, |node| node.end));
        self.end = self.interval.last().max(ends[0]).max(ends[1]);
    }
}

/// The tree. Intervals that are equal may be in it more than once.
pub(super) struct Tree<T> {
    root: Link<T>,
    random: u64,
}

impl<T: Interval> Tree<T> {
    pub(super) const fn new() -> Self {
        Self {
            root: None,
            random: 1,
        }
    }

    pub(super) fn insert(&mut self, mut node: Box<Node<T>>) {
        self.random = xorshift(self.random);
        node.priority = self.random;
        insert(&mut self.root, node);
    }

    /// Takes an interval out that equals this one; what comes back is the caller's to drop.
    pub(super) fn remove(&mut self, interval: &T) -> Option<Box<Node<T>>> {
        remove(&mut self.root, interval)
    }

    /// Does something for each interval that contains a point, in their order; returns how many nodes
    /// were looked at.
    pub(super) fn each_at(&self, point: u64, work: &mut dyn FnMut(&T)) -> u64 {
        each_at(&self.root, point, work)
    }
}

fn xorshift(mut number: u64) -> u64 {
    number ^= number << 13;
    number ^= number >> 7;
    number ^ number << 17
}

fn insert<T: Interval>(link: &mut Link<T>, mut node: Box<Node<T>>) {
    match link {
        Some(top) if top.priority >= node.priority => {
            let side = if node.interval < top.interval {
                &mut top.left
            } else {
                &mut top.right
            };
            insert(side, node);
            top.update();
        }
        _ => {
            (node.left, node.right) = split(link.take(), &node.interval);
            node.update();
            *link = Some(node);
        }
    }
}

/// Parts a tree into what comes before an interval, and the rest.
fn split<T: Interval>(link: Link<T>, at: &T) -> (Link<T>, Link<T>) {
    let Some(mut top) = link else {
        return (None, None);
    };
    if top.interval < *at {
        let (left, right) = split(top.right.take(), at);
        top.right = left;
        top.update();
        (Some(top), right)
    } else {
        let (left, right) = split(top.left.take(), at);
        top.left = right;
        top.update();
        (left, Some(top))
    }
}

fn remove<T: Interval>(link: &mut Link<T>, interval: &T) -> Link<T> {
    let top = link.as_mut()?;
    let side = match interval.cmp(&top.interval) {
        Ordering::Less => &mut top.left,
        Ordering::Greater => &mut top.right,
        Ordering::Equal => {
            let mut top = link.take()?;
            *link = join(top.left.take(), top.right.take());
            return Some(top);
        }
    };
    let removed = remove(side, interval);
    top.update();
    removed
}

/// Makes one tree of two, of which the second comes behind the first.
fn join<T: Interval>(left: Link<T>, right: Link<T>) -> Link<T> {
    match (left, right) {
        (None, other) | (other, None) => other,
        (Some(mut left), Some(right)) if left.priority >= right.priority => {
            left.right = join(left.right.take(), Some(right));
            left.update();
            Some(left)
        }
        (left, Some(mut right)) => {
            right.left = join(left, right.left.take());
            right.update();
            Some(right)
        }
    }
}

fn each_at<T: Interval>(link: &Link<T>, point: u64, work: &mut dyn FnMut(&T)) -> u64 {
    let Some(top) = link.as_ref().filter(|top| top.end >= point) else {
        return u64::from(link.is_some());
    };
    let mut steps = 1 + each_at(&top.left, point, work);
    if top.interval.first() <= point {
        if top.interval.last() >= point {
            work(&top.interval);
        }
        steps += each_at(&top.right, point, work);
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Interval for (u64, u64) {
        fn first(&self) -> u64 {
            self.0
        }

        fn last(&self) -> u64 {
            self.1
        }
    }

    fn found(tree: &Tree<(u64, u64)>, point: u64) -> Vec<(u64, u64)> {
        let mut found = Vec::new();
        tree.each_at(point, &mut |interval| found.push(*interval));
        found
    }

    /// Looks at a tree node by node; returns its highest priority and its end.
    fn check(link: &Link<(u64, u64)>) -> (u64, u64) {
        let Some(node) = link else {
            return (0, 0);
        };
        let below = [&node.left, &node.right].map(check);
        let priority = below[0].0.max(below[1].0);
        assert!(priority <= node.priority, "the higher one is on top");
        let end = node.interval.1.max(below[0].1).max(below[1].1);
        assert_eq!(node.end, end);
        (node.priority, end)
    }

    #[test]
    fn it_is_a_heap_however_it_has_grown_and_shrunk() {
        let mut tree = Tree::new();
        let interval = |number: u64| (number * 37 % 64, number * 37 % 64 + number % 11);
        for number in 0..64 {
            tree.insert(Node::new(interval(number)));
            check(&tree.root);
        }
        for number in (0..64).step_by(2) {
            assert!(tree.remove(&interval(number)).is_some());
            check(&tree.root);
        }
    }

    /// The published generator: it comes to a number twice only when it has come to all others.
    #[test]
    fn its_numbers_are_those_of_xorshift() {
        let second = xorshift(88_172_645_463_325_252);
        assert_eq!(second, 8_748_534_153_485_358_512);
    }

    #[test]
    fn it_finds_what_a_look_at_all_finds() {
        let (mut tree, mut all, mut random) = (Tree::new(), Vec::new(), 7);
        let mut below = |bound| {
            random = xorshift(random);
            (random >> 20) % bound
        };
        for _ in 0..20_000 {
            let first = below(1000);
            let interval = (first, first + below(60));
            if all.is_empty() || below(5) > 1 && all.len() < 300 {
                tree.insert(Node::new(interval));
                all.push(interval);
            } else {
                let gone = all.swap_remove(below(all.len() as u64) as usize);
                assert!(tree.remove(&gone).is_some_and(|node| node.interval == gone));
            }
            let point = below(1100);
            let mut expected: Vec<_> = all
                .iter()
                .copied()
                .filter(|(first, last)| (*first..=*last).contains(&point))
                .collect();
            expected.sort_unstable();
            assert_eq!(found(&tree, point), expected);
        }
        assert!(tree.remove(&(5000, 5001)).is_none());
    }

    #[test]
    fn few_nodes_are_looked_at_however_many_there_are() {
        let mut tree = Tree::new();
        for number in 0..100_000_u64 {
            tree.insert(Node::new((number * 10, number * 10 + 9)));
        }
        let most = (0..1000).map(|number| tree.each_at(number * 997, &mut |_| ()));
        assert!(most.max().unwrap() < 100);
    }
}
