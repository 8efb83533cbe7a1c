//! Random YAML in random layout, for the properties of the edit.
//!
//! A stream of bytes decides everything, so that a failing file shrinks. Every place that names the
//! image has a tag of its own, by which it is found again.

use std::fmt::Write as _;

/// The image that the places name.
pub(super) const IMAGE: &str = "registry.example.com/roar-web";

/// A file with the places that it holds.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) text: String,
    pub(super) places: Vec<Place>,
}

/// A place as it was written.
#[derive(Debug)]
pub(super) struct Place {
    /// The value before its tag, such as `registry.example.com/roar-web:`.
    pub(super) prefix: String,
    pub(super) tag: String,
    /// What stands around the value: a quote, or nothing.
    pub(super) quote: &'static str,
    /// Whether quotes may be put around a plain value that needs them.
    pub(super) may_be_quoted: bool,
}

/// Decides by the bytes of a stream; when they are at an end, always the simplest.
struct Dice<'a> {
    bytes: std::slice::Iter<'a, u8>,
}

impl Dice<'_> {
    fn below(&mut self, sides: usize) -> usize {
        usize::from(self.bytes.next().copied().unwrap_or(0)) % sides
    }

    fn one_in(&mut self, sides: usize) -> bool {
        self.below(sides) == sides - 1
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

struct Writer<'a> {
    dice: Dice<'a>,
    file: File,
    keys: usize,
    anchors: usize,
    /// Anchors of this document that an alias may name.
    open: Vec<String>,
    /// Whether a block ends here, which would take a deeper line for its own.
    follows_a_block: bool,
}

/// Writes a file of one to three documents.
pub(super) fn file(bytes: &[u8]) -> File {
    let mut writer = Writer {
        dice: Dice {
            bytes: bytes.iter(),
        },
        file: File::default(),
        keys: 0,
        anchors: 0,
        open: Vec::new(),
        follows_a_block: false,
    };
    let has_mark = writer.dice.one_in(4);
    for number in 0..=writer.dice.below(3) {
        if number > 0 {
            let end = writer
                .dice
                .of(&["---\n", "--- # next\n", "...\n---\n", "---\n\n# a\n"]);
            writer.file.text.push_str(end);
        } else if writer.dice.one_in(3) {
            let start = writer
                .dice
                .of(&["---\n", "# first\n---\n", "%YAML 1.2\n---\n"]);
            writer.file.text.push_str(start);
        }
        writer.open.clear();
        writer.follows_a_block = false;
        writer.map(0, 0);
    }
    let mut file = writer.file;
    match writer.dice.below(4) {
        1 => {
            let end = file.text.trim_end_matches([' ', '\n']).len();
            file.text.truncate(end);
        }
        2 => file.text.push_str("\n\n# the end"),
        _ => {}
    }
    if writer.dice.one_in(3) {
        file.text = file.text.replace('\n', "\r\n");
    }
    if has_mark {
        file.text.insert(0, '\u{feff}');
    }
    file
}

impl Writer<'_> {
    fn put(&mut self, text: &str) {
        self.file.text.push_str(text);
    }

    fn key(&mut self) -> String {
        self.keys += 1;
        match self.dice.below(6) {
            0..3 => format!("k{}", self.keys),
            3 => format!("'k {}'", self.keys),
            4 => format!("\"k\\t{}\"", self.keys),
            _ => format!("ké.{}/x", self.keys),
        }
    }

    fn noise_line(&mut self, indent: usize) {
        if std::mem::take(&mut self.follows_a_block) {
            return;
        }
        let pad = " ".repeat(indent);
        match self.dice.below(8) {
            5 => self.put("\n"),
            6 => {
                let odd = " ".repeat(self.dice.below(7));
                let _ = writeln!(self.file.text, "{odd}# {IMAGE}:9 {{{{ x }}}} é");
            }
            7 => {
                let _ = write!(self.file.text, "{pad}# k: [\n   \n");
            }
            _ => {}
        }
    }

    fn end_of_line(&mut self) {
        let end = self
            .dice
            .of(&["", "", "  ", " # c", "\t# c: 'd", "   #{x}", " #"]);
        self.put(end);
        self.put("\n");
    }

    /// A map in block style; its first line is indented unless it follows a dash.
    fn map(&mut self, indent: usize, depth: usize) {
        self.block_map(indent, depth, false);
    }

    fn block_map(&mut self, indent: usize, depth: usize, follows_a_dash: bool) {
        let pad = " ".repeat(indent);
        let mut has_place = false;
        for number in 0..=self.dice.below(4) {
            if number > 0 || !follows_a_dash {
                self.noise_line(indent);
                self.put(&pad);
            }
            match self.dice.below(8) {
                0 | 1 if !has_place => {
                    has_place = true;
                    self.place(indent);
                }
                2 | 3 if depth < 4 => {
                    let key = self.key();
                    self.put(&key);
                    self.put(":");
                    self.end_of_line();
                    let deeper = indent + 1 + self.dice.below(5);
                    self.map(deeper, depth + 1);
                }
                4 if depth < 4 => {
                    let key = self.key();
                    self.put(&key);
                    self.put(":");
                    self.end_of_line();
                    // A list may stand as deep as its key.
                    let deeper = indent + self.dice.below(4);
                    self.list(deeper, depth + 1);
                }
                5 => {
                    let key = self.key();
                    let gap = " ".repeat(1 + self.dice.below(3));
                    let _ = write!(self.file.text, "{key}:{gap}");
                    self.flow(indent, depth);
                    self.end_of_line();
                }
                6 => {
                    let key = self.key();
                    self.put(&key);
                    self.block_text(indent);
                }
                _ => {
                    let key = self.key();
                    let gap = " ".repeat(1 + self.dice.below(3));
                    let _ = write!(self.file.text, "{key}:{gap}");
                    self.scalar();
                    self.end_of_line();
                }
            }
        }
    }

    fn list(&mut self, indent: usize, depth: usize) {
        let pad = " ".repeat(indent);
        for _ in 0..=self.dice.below(3) {
            self.noise_line(indent);
            self.put(&pad);
            let gap = 1 + self.dice.below(3);
            self.put("-");
            self.put(&" ".repeat(gap));
            match self.dice.below(3) {
                0 => {
                    self.scalar();
                    self.end_of_line();
                }
                1 if depth < 4 => self.block_map(indent + 1 + gap, depth + 1, true),
                _ => {
                    self.flow(indent, depth);
                    self.end_of_line();
                }
            }
        }
    }

    /// A value that has nothing to do with the image.
    fn scalar(&mut self) {
        if self.dice.one_in(6)
            && let Some(anchor) = self.open.last().cloned()
        {
            self.put(&format!("*{anchor}"));
            return;
        }
        if self.dice.one_in(5) {
            self.anchors += 1;
            let anchor = format!("a{}", self.anchors);
            self.put(&format!("&{anchor} "));
            self.open.push(anchor);
        }
        let text = self.dice.of(&[
            "word",
            "two words",
            "1.10",
            "0x1f",
            "true",
            "~",
            "''",
            "'it''s # not: a comment'",
            "\"\\u00e9 \\\"x\\\" {{ .Values.x }}\"",
            "é",
            "a:b",
            "http://x.y/z#a",
            "!!str 12",
            "registry.example.com/other:1.0",
            "-x",
        ]);
        self.put(text);
    }

    /// A flow list or map, with or without a place, on one line or several.
    fn flow(&mut self, indent: usize, depth: usize) {
        let is_list = self.dice.one_in(3);
        let wrap = if self.dice.one_in(3) {
            format!("\n{}", " ".repeat(indent + 1 + self.dice.below(4)))
        } else {
            " ".repeat(self.dice.below(3))
        };
        self.put(if is_list { "[" } else { "{" });
        let mut has_place = false;
        for number in 0..=self.dice.below(3) {
            if number > 0 {
                let comma = self.dice.of(&[",", " ,", ", "]);
                self.put(comma);
            }
            self.put(&wrap);
            match self.dice.below(4) {
                0 if !is_list && !has_place => {
                    has_place = true;
                    self.flow_place();
                }
                1 if depth < 3 => {
                    if !is_list {
                        let key = self.key();
                        self.put(&format!("{key}: "));
                    }
                    self.flow(indent + 4, depth + 1);
                }
                _ => {
                    if !is_list {
                        let key = self.key();
                        self.put(&format!("{key}: "));
                    }
                    let text = self.dice.of(&["x", "'y'", "\"z, ]\"", "1", "é", "a b"]);
                    self.put(text);
                }
            }
        }
        let comma = self.dice.of(&["", "", ",", " ,"]);
        self.put(comma);
        self.put(&wrap);
        self.put(if is_list { "]" } else { "}" });
    }

    /// A literal or folded text.
    fn block_text(&mut self, indent: usize) {
        let header = self.dice.of(&["|", ">", "|-", ">-", "|+", "| # c"]);
        let pad = " ".repeat(indent + 1 + self.dice.below(4));
        let _ = writeln!(self.file.text, ": {header}");
        for _ in 0..=self.dice.below(3) {
            let line = self.dice.of(&[
                "text",
                "# no comment  ",
                "image: roar-web:1",
                "k: [",
                "a:\n",
            ]);
            let _ = writeln!(self.file.text, "{pad}{line}");
        }
        self.follows_a_block = true;
    }

    /// A new tag that no other place has.
    fn tag(&mut self) -> String {
        let number = self.file.places.len();
        let shape = self.dice.below(4);
        match shape {
            0 => format!("1.2.{}", 1000 + number),
            1 => format!("v{}", 1000 + number),
            2 => format!("{}.10", 1000 + number),
            _ => format!("b{}-alpine_x", 1000 + number),
        }
    }

    /// A place in a block map, of one of the forms, with its line ends.
    fn place(&mut self, indent: usize) {
        let tag = self.tag();
        let pad = " ".repeat(indent);
        match self.dice.below(5) {
            0 => {
                self.put("image:");
                self.written(format!("{IMAGE}:"), &tag, true);
            }
            1 => {
                let _ = writeln!(self.file.text, "repository: {IMAGE} # r");
                self.noise_line(indent);
                self.put(&pad);
                self.put("tag:");
                self.written(String::new(), &tag, true);
            }
            2 => {
                self.put("tag:");
                self.written(String::new(), &tag, true);
                self.put(&pad);
                let _ = writeln!(
                    self.file.text,
                    "registry: registry.example.com\n{pad}repository: 'roar-web'"
                );
            }
            3 => {
                let deeper = " ".repeat(indent + self.dice.below(3));
                let _ = write!(
                    self.file.text,
                    "images:\n{deeper}- name: x\n{deeper}  newName: {IMAGE}\n{deeper}  newTag:"
                );
                self.written(String::new(), &tag, true);
            }
            _ => {
                self.put("image:");
                let deeper = " ".repeat(indent + 1 + self.dice.below(3));
                let header = self.dice.of(&[">-", "|-", "|- # c"]);
                let _ = writeln!(self.file.text, " {header}\n{deeper}{IMAGE}:{tag}");
                self.file.places.push(Place {
                    prefix: format!("{IMAGE}:"),
                    tag,
                    quote: "",
                    may_be_quoted: false,
                });
                self.follows_a_block = true;
            }
        }
    }

    fn flow_place(&mut self) {
        let tag = self.tag();
        if self.dice.one_in(2) {
            self.put("image:");
            self.written(format!("{IMAGE}:"), &tag, false);
        } else {
            let _ = write!(self.file.text, "repository: \"{IMAGE}\", tag:");
            self.written(String::new(), &tag, false);
        }
    }

    /// The scalar of a place, perhaps with an anchor or a YAML tag.
    fn written(&mut self, prefix: String, tag: &str, ends_line: bool) {
        let gap = " ".repeat(1 + self.dice.below(3));
        let property = self.dice.of(&["", "", "", "!!str ", "&u "]);
        let property = match property {
            "&u " => {
                self.anchors += 1;
                format!("&u{} ", self.anchors)
            }
            other => other.to_owned(),
        };
        let quote = self.dice.of(&["", "'", "\""]);
        let _ = write!(self.file.text, "{gap}{property}{quote}{prefix}{tag}{quote}");
        if ends_line {
            self.end_of_line();
        }
        self.file.places.push(Place {
            prefix,
            tag: tag.to_owned(),
            quote,
            may_be_quoted: quote.is_empty() && !property.starts_with('!'),
        });
    }
}
