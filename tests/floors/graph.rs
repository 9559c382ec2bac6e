//! Circles in a graph.

use std::collections::{BTreeMap, BTreeSet};

/// What leads where.
pub type Graph<T> = BTreeMap<T, BTreeSet<T>>;

/// The largest groups of two and more of which each leads to each.
pub fn circles<T: Ord + Clone>(graph: &Graph<T>) -> Vec<BTreeSet<T>> {
    let reached: BTreeMap<_, _> = graph
        .keys()
        .map(|node| (node, reached_from(graph, node)))
        .collect();
    let mut circles: Vec<BTreeSet<T>> = Vec::new();
    for (node, reached_by_it) in &reached {
        if circles.iter().any(|circle| circle.contains(node)) || !reached_by_it.contains(node) {
            continue;
        }
        let leads_back = |other: &&T| reached.get(other).is_some_and(|from| from.contains(node));
        circles.push(reached_by_it.iter().filter(leads_back).cloned().collect());
    }
    circles
}

fn reached_from<T: Ord + Clone>(graph: &Graph<T>, start: &T) -> BTreeSet<T> {
    let mut reached = BTreeSet::new();
    let mut open = vec![start];
    while let Some(node) = open.pop() {
        for next in graph.get(node).into_iter().flatten() {
            if reached.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    reached
}
