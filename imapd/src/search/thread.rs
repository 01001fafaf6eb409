//! THREAD: messages as trees (RFC 5256 section 3; REFS as draft-ietf-morg-inthread has it).
//!
//! Nothing recurses: the depth of a thread is the senders' choice.

use std::collections::HashMap;

use super::sort::Sortable;
use crate::syntax::sort_key::ThreadAlgorithm;

/// A place in a tree; without a message it only holds its children together.
#[derive(Debug, Default)]
struct Node {
    message: Option<usize>,
    parent: Option<usize>,
    children: Vec<usize>,
}

/// Trees over messages.
struct Forest<'a> {
    messages: &'a [Sortable],
    nodes: Vec<Node>,
    roots: Vec<usize>,
}

/// The threads in the form of the response, `(2)(3 6 (4 23)(44 7 96))`; `shown` is what stands for a message.
pub fn threads(
    algorithm: ThreadAlgorithm,
    messages: &[Sortable],
    shown: impl Fn(&Sortable) -> u32,
) -> String {
    let mut forest = Forest { messages, nodes: Vec::new(), roots: Vec::new() };
    match algorithm {
        ThreadAlgorithm::OrderedSubject => forest.by_subject(),
        ThreadAlgorithm::References => {
            forest.by_references();
            forest.join_by_subject();
            forest.sort();
        }
        ThreadAlgorithm::Refs => {
            forest.by_references();
            forest.latest_last();
        }
    }
    forest.write(shown)
}

impl Forest<'_> {
    fn node(&mut self, message: Option<usize>) -> usize {
        self.nodes.push(Node { message, ..Node::default() });
        self.nodes.len() - 1
    }

    fn by_subject(&mut self) {
        let messages = self.messages;
        let mut order: Vec<usize> = (0..messages.len()).collect();
        order.sort_by(|a, b| {
            let (a, b) = (&messages[*a], &messages[*b]);
            (&a.head.subject, a.sent(), a.number).cmp(&(&b.head.subject, b.sent(), b.number))
        });
        for group in order.chunk_by(|a, b| messages[*a].head.subject == messages[*b].head.subject) {
            let first = self.node(Some(group[0]));
            self.roots.push(first);
            for message in &group[1..] {
                let child = self.node(Some(*message));
                self.adopt(first, child);
            }
        }
        self.sort();
    }

    fn by_references(&mut self) {
        self.link();
        self.roots = (0..self.nodes.len()).filter(|n| self.nodes[*n].parent.is_none()).collect();
        self.prune();
        self.sort();
    }

    /// Step 1: who answers whom.
    fn link(&mut self) {
        let messages = self.messages;
        let mut by_id: HashMap<&str, usize> = HashMap::new();
        for (i, message) in messages.iter().enumerate() {
            let known = message.head.message_id.as_deref().map(|id| (id, by_id.get(id).copied()));
            let own = match known {
                // A second message of one id is one without.
                Some((_, Some(node))) if self.nodes[node].message.is_some() => self.node(Some(i)),
                Some((_, Some(node))) => {
                    self.nodes[node].message = Some(i);
                    node
                }
                Some((id, None)) => {
                    let node = self.node(Some(i));
                    by_id.insert(id, node);
                    node
                }
                None => self.node(Some(i)),
            };
            let mut above = None;
            for id in &message.head.references {
                let node = match by_id.get(id.as_str()) {
                    Some(node) => *node,
                    None => {
                        let node = self.node(None);
                        by_id.insert(id, node);
                        node
                    }
                };
                if let Some(above) = above
                    && self.nodes[node].parent.is_none()
                    && !self.is_above(node, above)
                {
                    self.adopt(above, node);
                }
                above = Some(node);
            }
            // What the message says of its own parent counts, also that it has none; not what others say.
            if self.nodes[own].parent != above {
                self.leave(own);
                if let Some(above) = above
                    && !self.is_above(own, above)
                {
                    self.adopt(above, own);
                }
            }
        }
    }

    /// Whether `node` is `below` or above it.
    fn is_above(&self, node: usize, below: usize) -> bool {
        if node != below && self.nodes[node].children.is_empty() {
            return false;
        }
        let mut at = Some(below);
        while let Some(n) = at {
            if n == node {
                return true;
            }
            at = self.nodes[n].parent;
        }
        false
    }

    fn adopt(&mut self, parent: usize, child: usize) {
        self.nodes[child].parent = Some(parent);
        self.nodes[parent].children.push(child);
    }

    fn leave(&mut self, child: usize) {
        if let Some(parent) = self.nodes[child].parent.take() {
            self.nodes[parent].children.retain(|c| *c != child);
        }
    }

    /// All nodes below the roots, each after its parent.
    fn top_down(&self) -> Vec<usize> {
        let mut order = self.roots.clone();
        let mut at = 0;
        while at < order.len() {
            order.extend_from_slice(&self.nodes[order[at]].children);
            at += 1;
        }
        order
    }

    /// Step 3: places without a message go, but for roots that hold several threads together.
    fn prune(&mut self) {
        for node in self.top_down().into_iter().rev() {
            let children = std::mem::take(&mut self.nodes[node].children);
            let mut kept = Vec::with_capacity(children.len());
            for child in children {
                if self.nodes[child].message.is_some() {
                    kept.push(child);
                } else {
                    kept.append(&mut self.nodes[child].children);
                }
            }
            kept.iter().for_each(|c| self.nodes[*c].parent = Some(node));
            self.nodes[node].children = kept;
        }
        for root in std::mem::take(&mut self.roots) {
            match (self.nodes[root].message, &self.nodes[root].children[..]) {
                (None, []) => {}
                (None, [only]) => {
                    let only = *only;
                    self.nodes[only].parent = None;
                    self.roots.push(only);
                }
                _ => self.roots.push(root),
            }
        }
    }

    /// The message of a place, or that of its first child.
    fn face(&self, node: usize) -> Option<&Sortable> {
        let children = &self.nodes[node].children;
        let message =
            self.nodes[node].message.or_else(|| children.first().and_then(|c| self.nodes[*c].message));
        message.map(|m| &self.messages[m])
    }

    /// Siblings by the date when they were sent.
    fn sort(&mut self) {
        let key = |forest: &Self, node: usize| forest.face(node).map(|m| (m.sent(), m.number));
        for node in self.top_down().into_iter().rev() {
            let mut children = std::mem::take(&mut self.nodes[node].children);
            children.sort_by_cached_key(|c| key(self, *c));
            self.nodes[node].children = children;
        }
        let mut roots = std::mem::take(&mut self.roots);
        roots.sort_by_cached_key(|r| key(self, *r));
        self.roots = roots;
    }

    /// The last step of REFS: threads by the arrival of the latest message in each, so that what was answered just now is last.
    fn latest_last(&mut self) {
        let mut latest: Vec<Option<(i64, u32)>> = vec![None; self.nodes.len()];
        for node in self.top_down().into_iter().rev() {
            let own = self.nodes[node].message.map(|m| &self.messages[m]);
            let below = self.nodes[node].children.iter().filter_map(|c| latest[*c]);
            latest[node] = below.chain(own.map(|m| (m.record.date.seconds, m.number))).max();
        }
        self.roots.sort_by_key(|root| latest[*root]);
    }

    /// Step 5: threads of one subject are one thread.
    fn join_by_subject(&mut self) {
        let subject = |forest: &Self, node: usize| {
            forest.face(node).map(|m| m.head.subject.clone()).filter(|s| !s.is_empty())
        };
        let is_reply = |forest: &Self, node: usize| {
            forest.nodes[node].message.is_some_and(|m| forest.messages[m].head.reply)
        };
        let mut table: HashMap<String, usize> = HashMap::new();
        for root in self.roots.clone() {
            let Some(subject) = subject(self, root) else { continue };
            match table.get(&subject).copied() {
                Some(old) => {
                    let (empty, old_empty) =
                        (self.nodes[root].message.is_none(), self.nodes[old].message.is_none());
                    if (empty && !old_empty) || (!old_empty && is_reply(self, old) && !is_reply(self, root)) {
                        table.insert(subject, root);
                    }
                }
                None => drop(table.insert(subject, root)),
            }
        }
        for root in std::mem::take(&mut self.roots) {
            if self.nodes[root].parent.is_some() {
                // It was put beside another of its subject already.
                continue;
            }
            let first = subject(self, root).and_then(|s| table.get(&s).copied().map(|first| (s, first)));
            let Some((subject, first)) = first.filter(|(_, first)| *first != root) else {
                self.roots.push(root);
                continue;
            };
            let (empty, first_empty) =
                (self.nodes[root].message.is_none(), self.nodes[first].message.is_none());
            if empty && first_empty {
                for child in std::mem::take(&mut self.nodes[root].children) {
                    self.adopt(first, child);
                }
            } else if first_empty || (is_reply(self, root) && !is_reply(self, first)) {
                self.adopt(first, root);
            } else {
                let both = self.node(None);
                // The first may be among the roots already, or come yet.
                self.roots.retain(|r| *r != first);
                self.adopt(both, first);
                self.adopt(both, root);
                self.roots.push(both);
                table.insert(subject, both);
            }
        }
    }

    fn write(&self, shown: impl Fn(&Sortable) -> u32) -> String {
        enum Step {
            Open(usize),
            Close,
        }
        let mut out = String::new();
        let mut steps: Vec<Step> = self.roots.iter().rev().map(|r| Step::Open(*r)).collect();
        while let Some(step) = steps.pop() {
            let Step::Open(mut node) = step else {
                out.push(')');
                continue;
            };
            out.push('(');
            steps.push(Step::Close);
            loop {
                let Node { message, children, .. } = &self.nodes[node];
                if let Some(message) = message {
                    if !out.ends_with('(') {
                        out.push(' ');
                    }
                    out.push_str(&shown(&self.messages[*message]).to_string());
                }
                match children[..] {
                    [] => break,
                    [only] => node = only,
                    _ => {
                        if !out.ends_with('(') {
                            out.push(' ');
                        }
                        steps.extend(children.iter().rev().map(|c| Step::Open(*c)));
                        break;
                    }
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests;
