//! As much of Markdown as a card needs: paragraphs and lists. Everything else is shown as it was written, so that no
//! text of a person can become markup of the page.

/// A piece of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Block {
    /// A paragraph; its lines are kept.
    Paragraph(String),
    /// Items of a list.
    List(Vec<String>),
}

impl Block {
    /// The items, of a list.
    pub(crate) fn items(&self) -> Option<&[String]> {
        match self {
            Block::List(items) => Some(items),
            Block::Paragraph(_) => None,
        }
    }

    /// The text, of a paragraph.
    pub(crate) fn paragraph(&self) -> &str {
        match self {
            Block::Paragraph(text) => text,
            Block::List(_) => "",
        }
    }
}

/// The blocks of a text, in order.
pub(crate) fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        let item = line.strip_prefix("* ").or_else(|| line.strip_prefix("- "));
        match (item, blocks.last_mut()) {
            _ if line.trim().is_empty() => open = false,
            (Some(item), Some(Block::List(items))) if open => items.push(item.to_owned()),
            (Some(item), _) => {
                blocks.push(Block::List(vec![item.to_owned()]));
                open = true;
            }
            (None, Some(Block::Paragraph(text))) if open => {
                text.push('\n');
                text.push_str(line);
            }
            (None, Some(Block::List(items))) if open && line.starts_with(' ') => {
                if let Some(last) = items.last_mut() {
                    last.push(' ');
                    last.push_str(line.trim());
                }
            }
            (None, _) => {
                blocks.push(Block::Paragraph(line.to_owned()));
                open = true;
            }
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_and_lists() {
        let list = |items: &[&str]| Block::List(items.iter().map(|item| (*item).to_owned()).collect());
        let text = "One\ntwo\n\n* a\n  goes on\n* b\n\n- c\nthree";
        let wanted = [
            Block::Paragraph("One\ntwo".into()),
            list(&["a goes on", "b"]),
            list(&["c"]),
            Block::Paragraph("three".into()),
        ];
        assert_eq!(blocks(text), wanted);
        assert_eq!(blocks("\n\n"), []);
    }
}
