//! The second pass: a tape whose nodes point into pieces becomes one canonical text.

use super::node::{Kind, Node, narrow, widen};
use super::pieces::Pieces;

/// Writes the canonical text and turns the nodes from the pieces to it.
pub(super) struct Writer<'a> {
    pieces: Pieces<'a>,
    tape: &'a mut [Node],
    text: String,
}

impl Writer<'_> {
    /// The canonical text of `root`, which is put last on the tape; `bytes` is its length.
    pub(super) fn write(
        pieces: Pieces<'_>,
        tape: &mut Vec<Node>,
        root: Node,
        bytes: usize,
    ) -> String {
        let mut writer = Writer {
            pieces,
            tape,
            text: String::with_capacity(bytes),
        };
        let root = writer.value(root);
        let text = writer.text;
        tape.push(root);
        text
    }

    fn value(&mut self, node: Node) -> Node {
        let start = self.text.len();
        match node.kind {
            Kind::Object => self.members(node, ['{', '}']),
            Kind::List => self.members(node, ['[', ']']),
            Kind::Boolean | Kind::Double | Kind::Integer | Kind::Null | Kind::Text => {
                self.text.push_str(self.pieces.get(node));
            }
        }
        Node {
            start: narrow(start),
            end: narrow(self.text.len()),
            ..node
        }
    }

    fn members(&mut self, node: Node, [open, close]: [char; 2]) {
        let first = widen(node.first);
        self.text.push(open);
        for offset in 0..node.width() {
            if offset > 0 {
                let is_value = node.kind == Kind::Object && offset & 1 == 1;
                self.text.push(if is_value { ':' } else { ',' });
            }
            let index = first.saturating_add(offset);
            if let Some(member) = self.tape.get(index).copied() {
                let written = self.value(member);
                if let Some(slot) = self.tape.get_mut(index) {
                    *slot = written;
                }
            }
        }
        self.text.push(close);
    }
}
