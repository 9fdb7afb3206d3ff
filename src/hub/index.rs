//! The filters of a shard in a tree of tokens: which of them does a subject match?
//!
//! All edges of the tree stand in one table, found by their parent and token, so that a node with one child costs no
//! table of its own. A subject is matched token by token; what that costs is bounded by the number of nodes it can
//! reach, never by the number of filters beside them.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use slab::Slab;

/// A filter's number.
pub(super) type FilterId = u32;

/// The node that stands for no token at all.
const ROOT: u32 = 0;

/// Filters by their tokens.
#[derive(Debug)]
pub(super) struct Index {
    nodes: Slab<Node>,
    edges: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

#[derive(Debug)]
struct Node {
    parent: u32,
    /// Its token; none of its own for `*`.
    token: Box<[u8]>,
    /// Whether it is that of `*`.
    is_star: bool,
    /// The node of `*` below this one.
    star: Option<u32>,
    /// The filter that ends here.
    here: Option<FilterId>,
    /// The filter that ends with `>` below this one.
    rest: Option<FilterId>,
    /// Nodes below, and filters here.
    uses: u32,
}

impl Node {
    fn new(parent: u32, token: &[u8]) -> Self {
        let is_star = token == b"*";
        let token = if is_star { Box::default() } else { token.into() };
        Self { parent, token, is_star, star: None, here: None, rest: None, uses: 0 }
    }
}

impl Index {
    pub(super) fn new() -> Self {
        let mut nodes = Slab::new();
        nodes.insert(Node::new(ROOT, b""));
        Self { nodes, edges: HashTable::new(), hasher: DefaultHashBuilder::default() }
    }

    /// The number of this filter, if it is here.
    pub(super) fn find(&self, filter: &[u8]) -> Option<FilterId> {
        let mut node = ROOT;
        for token in tokens(filter) {
            match token {
                b">" => return self.nodes[node as usize].rest,
                b"*" => node = self.nodes[node as usize].star?,
                _ => node = self.child(node, token)?,
            }
        }
        self.nodes[node as usize].here
    }

    /// Puts a filter in that is not here yet.
    pub(super) fn insert(&mut self, filter: &[u8], id: FilterId) {
        let mut node = ROOT;
        for token in tokens(filter) {
            if token == b">" {
                let node = &mut self.nodes[node as usize];
                node.uses += 1;
                node.rest = Some(id);
                return;
            }
            node = self.child_or_new(node, token);
        }
        let node = &mut self.nodes[node as usize];
        node.uses += 1;
        node.here = Some(id);
    }

    /// Takes a filter out that is here.
    pub(super) fn remove(&mut self, filter: &[u8]) {
        let mut node = ROOT;
        let mut open = false;
        for token in tokens(filter) {
            let next = match token {
                b">" => {
                    open = true;
                    break;
                }
                b"*" => self.nodes[node as usize].star,
                _ => self.child(node, token),
            };
            let Some(next) = next else { return };
            node = next;
        }
        let last = &mut self.nodes[node as usize];
        let place = if open { &mut last.rest } else { &mut last.here };
        if place.take().is_some() {
            last.uses -= 1;
        }
        self.prune(node);
    }

    /// Forgets nodes that lead nowhere, from this one upwards.
    fn prune(&mut self, mut node: u32) {
        while node != ROOT && self.nodes[node as usize].uses == 0 {
            let gone = self.nodes.remove(node as usize);
            if gone.is_star {
                self.nodes[gone.parent as usize].star = None;
            } else {
                let hash = self.hash(gone.parent, &gone.token);
                if let Ok(edge) = self.edges.find_entry(hash, |child| *child == node) {
                    edge.remove();
                }
            }
            node = gone.parent;
            self.nodes[node as usize].uses -= 1;
        }
    }

    /// Appends the filters that match this subject. Returns how many nodes were looked at: where filters mix wildcards and
    /// tokens in all ways, that may be many more than are found.
    pub(super) fn matches(&self, subject: &[u8], found: &mut Vec<FilterId>) -> usize {
        self.walk(ROOT, Some(subject), found)
    }

    /// `rest` is what of the subject lies below the node.
    fn walk(&self, node: u32, rest: Option<&[u8]>, found: &mut Vec<FilterId>) -> usize {
        let here = &self.nodes[node as usize];
        let Some(rest) = rest else {
            found.extend(here.here);
            return 1;
        };
        found.extend(here.rest);
        let (token, rest) = split(rest);
        let child = self.child(node, token).map_or(0, |child| self.walk(child, rest, found));
        let star = here.star.map_or(0, |star| self.walk(star, rest, found));
        1 + child + star
    }

    fn child(&self, parent: u32, token: &[u8]) -> Option<u32> {
        let is_it = |child: &u32| {
            let node = &self.nodes[*child as usize];
            node.parent == parent && *node.token == *token
        };
        self.edges.find(self.hash(parent, token), is_it).copied()
    }

    fn child_or_new(&mut self, parent: u32, token: &[u8]) -> u32 {
        let known = if token == b"*" { self.nodes[parent as usize].star } else { self.child(parent, token) };
        if let Some(child) = known {
            return child;
        }
        let child = number(self.nodes.insert(Node::new(parent, token)));
        self.nodes[parent as usize].uses += 1;
        if token == b"*" {
            self.nodes[parent as usize].star = Some(child);
        } else {
            let hash = self.hash(parent, token);
            let (nodes, hasher) = (&self.nodes, &self.hasher);
            let rehash = |child: &u32| {
                let node = &nodes[*child as usize];
                hasher.hash_one((node.parent, &*node.token))
            };
            self.edges.insert_unique(hash, child, rehash);
        }
        child
    }

    fn hash(&self, parent: u32, token: &[u8]) -> u64 {
        self.hasher.hash_one((parent, token))
    }

    /// Nodes in the tree, without its root.
    pub(super) fn len(&self) -> usize {
        self.nodes.len() - 1
    }
}

/// A place in a slab, as it is kept. Slabs of a hub hold fewer than 2^32 entries: each costs more than a byte.
pub(super) fn number(place: usize) -> u32 {
    u32::try_from(place).expect("memory ends before the numbers do")
}

/// The tokens of a subject or filter.
pub(super) fn tokens(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'.')
}

/// The first token, and what is behind its dot.
fn split(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b'.', text) {
        Some(dot) => (&text[..dot], Some(&text[dot + 1..])),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The documented rules of NATS subjects, token by token.
    fn naive(filter: &str, subject: &str) -> bool {
        let (filter, subject): (Vec<_>, Vec<_>) = (filter.split('.').collect(), subject.split('.').collect());
        for (index, token) in filter.iter().enumerate() {
            match *token {
                ">" => return index < subject.len(),
                "*" if index < subject.len() => {}
                token if subject.get(index) == Some(&token) => {}
                _ => return false,
            }
        }
        filter.len() == subject.len()
    }

    /// All filters of up to three tokens against all subjects of up to four.
    #[test]
    fn every_filter_is_found_by_the_subjects_that_it_matches() {
        let words = |alphabet: &[&str], most: usize| {
            let mut all: Vec<String> = alphabet.iter().map(ToString::to_string).collect();
            let mut last = all.clone();
            for _ in 1..most {
                last = last
                    .iter()
                    .filter(|text| !text.ends_with('>'))
                    .flat_map(|text| alphabet.iter().map(move |token| format!("{text}.{token}")))
                    .collect();
                all.extend(last.iter().cloned());
            }
            all
        };
        let filters = words(&["a", "b", "*", ">"], 3);
        let subjects = words(&["a", "b", "cc"], 4);
        let mut index = Index::new();
        for (id, filter) in (0..).zip(&filters) {
            assert_eq!(index.find(filter.as_bytes()), None);
            index.insert(filter.as_bytes(), id);
            assert_eq!(index.find(filter.as_bytes()), Some(id));
        }
        let check = |index: &Index, from: usize| {
            for subject in &subjects {
                let mut found = Vec::new();
                index.matches(subject.as_bytes(), &mut found);
                found.sort_unstable();
                let expected = (0..).zip(&filters).skip(from).filter(|(_, filter)| naive(filter, subject));
                assert_eq!(found, expected.map(|(id, _)| id).collect::<Vec<u32>>(), "{subject}");
            }
        };
        check(&index, 0);
        for (gone, filter) in filters.iter().enumerate() {
            index.remove(filter.as_bytes());
            assert_eq!(index.find(filter.as_bytes()), None);
            if gone % 16 == 0 {
                check(&index, gone + 1);
            }
        }
        assert_eq!(index.len(), 0, "nothing is left behind");
    }

    /// All filters of 8 tokens that are `a` or `*`, and none of 9: a subject of 9 finds none and looks at all nodes.
    #[test]
    fn what_a_match_looks_at_is_told() {
        let mut index = Index::new();
        for number in 0..256_u32 {
            let tokens = (0..8).map(|place| if number >> place & 1 == 1 { "*" } else { "a" });
            index.insert(tokens.collect::<Vec<_>>().join(".").as_bytes(), number);
        }
        let mut found = Vec::new();
        // The root, and 2 + 4 + ... + 256 below it.
        assert_eq!(index.matches(b"a.a.a.a.a.a.a.a.a", &mut found), 1 + 510);
        assert_eq!(found, [0; 0]);
        assert_eq!((index.matches(b"b", &mut found), index.matches(b"b.a", &mut found)), (2, 4));
    }

    #[test]
    fn what_is_not_here_cannot_be_removed() {
        let mut index = Index::new();
        index.insert(b"a.b", 7);
        for other in ["a", "a.b.c", "a.*", "a.>", ">", "x"] {
            index.remove(other.as_bytes());
        }
        assert_eq!(index.find(b"a.b"), Some(7));
    }
}
