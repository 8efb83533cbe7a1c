//! Looks over the text of an expression before the parser does: the parser goes one call deeper for
//! each operator of a chain and each bracket, and a text of a person must not exhaust the stack.
//!
//! Texts in quotes are read as the grammar reads them, and what is not exactly that is refused, so
//! that nothing hides in what only looks like a text.

/// How deep brackets may stand in each other.
pub(super) const MAX_BRACKETS: usize = 16;
/// How many operators, accesses and calls may stand in one chain, all open brackets together.
pub(super) const MAX_CHAIN: usize = 48;

/// What is wrong, and the byte where it is.
pub(super) struct Refusal {
    pub(super) at: usize,
    pub(super) why: &'static str,
}

pub(super) fn look_over(text: &str) -> Result<(), Refusal> {
    let bytes = text.as_bytes();
    let refuse = |at: usize, why: &'static str| Err(Refusal { at, why });
    // The chain of each open bracket, the innermost last, and what closes it.
    let mut chains = vec![0_usize];
    let mut closing = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\'' | b'"' => {
                at = end_of_text(text, at)?;
                continue;
            }
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                at = text[at..].find('\n').map_or(bytes.len(), |end| at + end);
                continue;
            }
            b'(' | b'[' | b'{' => {
                grow(&mut chains);
                chains.push(0);
                closing.push(match byte {
                    b'(' => b')',
                    b'[' => b']',
                    _ => b'}',
                });
                if chains.len() > MAX_BRACKETS + 1 {
                    return refuse(at, "brackets stand too deep in each other");
                }
            }
            b')' | b']' | b'}' => {
                if closing.pop() != Some(byte) {
                    return refuse(at, "this bracket does not close another");
                }
                chains.pop();
            }
            b',' if !closing.is_empty() => restart(&mut chains),
            b'&' | b'|' if bytes.get(at + 1) == Some(&byte) => {
                restart(&mut chains);
                at += 1;
            }
            b'.' | b'+' | b'-' | b'*' | b'/' | b'%' | b'!' | b'?' | b'<' | b'>' | b'=' | b':' => {
                grow(&mut chains);
            }
            b'i' if is_word(bytes, at, b"in") => grow(&mut chains),
            b'`' => return refuse(at, "names in backticks are not supported"),
            byte if !byte.is_ascii() => return refuse(at, "only texts may be other than ASCII"),
            _ => {}
        }
        if chains.iter().sum::<usize>() > MAX_CHAIN {
            return refuse(
                at,
                "the expression is too deep: too many operators in one chain",
            );
        }
        at += 1;
    }
    Ok(())
}

fn grow(chains: &mut [usize]) {
    if let Some(chain) = chains.last_mut() {
        *chain += 1;
    }
}

fn restart(chains: &mut [usize]) {
    if let Some(chain) = chains.last_mut() {
        *chain = 0;
    }
}

fn is_name(byte: Option<&u8>) -> bool {
    byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

fn is_word(bytes: &[u8], at: usize, word: &[u8]) -> bool {
    bytes[at..].starts_with(word)
        && !is_name(bytes.get(at + word.len()))
        && (at == 0 || !is_name(bytes.get(at - 1)))
}

/// The byte after the text in quotes that begins at a quote.
fn end_of_text(text: &str, quote: usize) -> Result<usize, Refusal> {
    let bytes = text.as_bytes();
    let begin = (0..quote)
        .rev()
        .take_while(|at| is_name(bytes.get(*at)))
        .last()
        .unwrap_or(quote);
    let is_raw = match text[begin..quote].to_ascii_lowercase().as_str() {
        "" | "b" => false,
        "r" | "br" => true,
        _ => {
            let why = "a text stands right behind a name";
            return Err(Refusal { at: quote, why });
        }
    };
    let mark = &text[quote..=quote];
    let triple = mark.repeat(3);
    let (mark, is_long) = if text[quote..].starts_with(&triple) {
        (triple.as_str(), true)
    } else {
        (mark, false)
    };
    let mut at = quote + mark.len();
    while at < bytes.len() {
        if text[at..].starts_with(mark) {
            return Ok(at + mark.len());
        }
        match bytes[at] {
            b'\n' | b'\r' if !is_long => break,
            b'\\' if !is_raw => {
                let why = "an unknown escape in a text";
                at += escape(&bytes[at + 1..]).ok_or(Refusal { at, why })? + 1;
            }
            _ => at += text[at..].chars().next().map_or(1, char::len_utf8),
        }
    }
    let why = "a quote is not closed";
    Err(Refusal { at: quote, why })
}

/// How long the escape after a backslash is.
fn escape(after: &[u8]) -> Option<usize> {
    let digits = |from: usize, number: usize| {
        let digits = after.get(from..from + number)?;
        let all = digits.iter().all(u8::is_ascii_hexdigit);
        all.then_some(from + number)
    };
    match after.first()? {
        b'a' | b'b' | b'f' | b'n' | b'r' | b't' | b'v' | b'"' | b'\'' | b'\\' | b'?' | b'`' => {
            Some(1)
        }
        b'x' | b'X' => digits(1, 2),
        b'u' => digits(1, 4),
        b'U' => digits(1, 8),
        b'0'..=b'3' => {
            let rest = after.get(1..3)?;
            let octal = rest.iter().all(|digit| (b'0'..=b'7').contains(digit));
            octal.then_some(3)
        }
        _ => None,
    }
}
