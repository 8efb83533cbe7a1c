//! Reads an expression, refuses what is unknown or too deep, and writes the prices into its tree.

use cel::common::ast::operators as op;
use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SourceInfo,
};
use cel::parser::{ParseErrors, Parser};
use regex::{Regex, RegexBuilder};

use super::{ExpressionError, MAX_NESTING, scan};

/// How deep the tree may be; the brackets and chains that are allowed do not come so far.
const MAX_DEPTH: usize = 200;

/// Pays for a value: `@pay(value)` is the value, `@pay(list, n)` the list through which a loop of
/// `n` steps goes. No text of a person can name it.
pub(super) const PAY: &str = "@pay";
/// `@matches(text, n)`: the pattern of a place in [`Checked::patterns`].
pub(super) const MATCHES: &str = "@matches";
/// Largest compiled pattern, in bytes.
const MAX_PATTERN: usize = 256 * 1024;

const FUNCTIONS: [&str; 11] = [
    "size",
    "string",
    "int",
    "uint",
    "double",
    "bool",
    "bytes",
    "type",
    "dyn",
    "timestamp",
    "duration",
];
const METHODS: [&str; 19] = [
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "hasValue",
    "value",
    "orValue",
    "or",
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
    "matches",
];
const OF_OPTIONAL: [&str; 3] = ["of", "none", "ofNonZeroValue"];
const TYPES: [&str; 10] = [
    "bool",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "list",
    "map",
    "null_type",
    "type",
];
/// Operators that hand out a part of their operand, or decide by booleans: what they look at costs
/// nothing.
const FREE: [&str; 8] = [
    op::CONDITIONAL,
    op::LOGICAL_AND,
    op::LOGICAL_OR,
    op::LOGICAL_NOT,
    op::NOT_STRICTLY_FALSE,
    op::INDEX,
    op::OPT_INDEX,
    op::OPT_SELECT,
];
const PAID: [&str; 13] = [
    op::SUBSTRACT,
    op::ADD,
    op::MULTIPLY,
    op::DIVIDE,
    op::MODULO,
    op::EQUALS,
    op::NOT_EQUALS,
    op::GREATER_EQUALS,
    op::LESS_EQUALS,
    op::GREATER,
    op::LESS,
    op::NEGATE,
    op::IN,
];

/// An expression that may be evaluated.
pub(super) struct Checked {
    pub(super) tree: IdedExpr,
    pub(super) patterns: Vec<Regex>,
    pub(super) depth: usize,
}

/// Compiles a text that is not longer than allowed.
pub(super) fn compile(text: &str) -> Result<Checked, ExpressionError> {
    scan::look_over(text).map_err(|refusal| place(&text[..refusal.at], refusal.why))?;
    let (mut tree, source) = Parser::new()
        .enable_optional_syntax(true)
        // What it would skip after an error is not what was looked over.
        .error_recovery_limit(1)
        .max_recursion_depth(scan::MAX_BRACKETS as u16 + 8)
        .parse_with_source_info(text)
        .map_err(|errors| unread(&errors))?;
    let mut check = Check {
        text,
        source,
        variables: vec!["self".to_owned()],
        patterns: Vec::new(),
        depth: 0,
    };
    check.walk(&mut tree, 0, 0)?;
    Ok(Checked {
        tree,
        patterns: check.patterns,
        depth: check.depth,
    })
}

fn unread(errors: &ParseErrors) -> ExpressionError {
    let Some(error) = errors.errors.first() else {
        return ExpressionError::Invalid("the expression cannot be read".to_owned());
    };
    let message: String = error
        .msg
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(200)
        .collect();
    let (line, column) = (error.pos.0.max(1), error.pos.1.max(1));
    ExpressionError::Invalid(format!(
        "line {line}, column {column}: {}",
        message.trim().trim_end_matches('.')
    ))
}

/// An error right behind a part of the text.
fn place(before: &str, why: &str) -> ExpressionError {
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    ExpressionError::Invalid(format!("line {line}, column {column}: {why}"))
}

struct Check<'t> {
    text: &'t str,
    source: SourceInfo,
    variables: Vec<String>,
    patterns: Vec<Regex>,
    depth: usize,
}

impl Check<'_> {
    fn refuse<T>(&self, id: u64, why: &str) -> Result<T, ExpressionError> {
        let Some((start, _)) = self.source.offset_for(id) else {
            return Err(ExpressionError::Invalid(why.to_owned()));
        };
        let before: String = self.text.chars().take(start as usize).collect();
        Err(place(&before, why))
    }

    /// Checks and rewrites; returns how many nodes there are.
    fn walk(
        &mut self,
        node: &mut IdedExpr,
        depth: usize,
        nesting: usize,
    ) -> Result<i64, ExpressionError> {
        if depth > MAX_DEPTH {
            return self.refuse(node.id, "the expression is too deep");
        }
        self.depth = self.depth.max(depth);
        let id = node.id;
        let (nodes, pays) = match &mut node.expr {
            Expr::Unspecified => return self.refuse(id, "the expression cannot be read"),
            Expr::Literal(_) => (1, false),
            Expr::Ident(name) => {
                if !name.starts_with('@')
                    && !self.variables.contains(name)
                    && !TYPES.contains(&name.as_str())
                {
                    let why = format!("`{name}` is not known; the object is `self`");
                    return self.refuse(id, &why);
                }
                (1, false)
            }
            Expr::Select(select) => {
                let pays = !select.test && !is_name(&select.operand.expr);
                (
                    1 + self.walk(&mut select.operand, depth + 1, nesting)?,
                    pays,
                )
            }
            Expr::Call(call) => {
                let pays =
                    [op::INDEX, op::OPT_INDEX, op::OPT_SELECT].contains(&call.func_name.as_str());
                (self.call(call, id, depth, nesting)?, pays)
            }
            Expr::List(list) => {
                let mut nodes = 1;
                for element in &mut list.elements {
                    nodes += self.walk(element, depth + 1, nesting)?;
                    pay(element);
                }
                (nodes, false)
            }
            Expr::Map(map) => {
                let mut nodes = 1;
                for entry in &mut map.entries {
                    let EntryExpr::MapEntry(entry) = &mut entry.expr else {
                        return self.refuse(id, "the map cannot be read");
                    };
                    nodes += self.walk(&mut entry.key, depth + 1, nesting)?;
                    nodes += self.walk(&mut entry.value, depth + 1, nesting)?;
                    pay(&mut entry.key);
                    pay(&mut entry.value);
                }
                (nodes, false)
            }
            Expr::Struct(_) => return self.refuse(id, "there are no types to make values of"),
            Expr::Comprehension(one) => (self.comprehension(one, id, depth, nesting)?, false),
        };
        if pays {
            pay(node);
        }
        Ok(nodes)
    }

    fn call(
        &mut self,
        call: &mut CallExpr,
        id: u64,
        depth: usize,
        nesting: usize,
    ) -> Result<i64, ExpressionError> {
        let name = call.func_name.clone();
        let name = name.as_str();
        let mut nodes = 1;
        let of_optional = call
            .target
            .as_ref()
            .is_some_and(|t| matches!(&t.expr, Expr::Ident(root) if root == "optional"))
            && OF_OPTIONAL.contains(&name);
        let is_known = if call.target.is_some() {
            of_optional || METHODS.contains(&name)
        } else {
            FREE.contains(&name)
                || PAID.contains(&name)
                || FUNCTIONS.contains(&name)
                || name == "matches"
        };
        if !is_known {
            return self.refuse(id, &format!("the function `{name}` is not known"));
        }
        if name == "matches" {
            return self.matches(call, id, depth, nesting);
        }
        if let Some(target) = call.target.as_mut().filter(|_| !of_optional) {
            nodes += self.walk(target, depth + 1, nesting)?;
            pay(target);
        }
        for argument in &mut call.args {
            nodes += self.walk(argument, depth + 1, nesting)?;
            if !FREE.contains(&name) {
                pay(argument);
            }
        }
        Ok(nodes)
    }

    /// Both `text.matches(pattern)` and `matches(text, pattern)`.
    fn matches(
        &mut self,
        call: &mut CallExpr,
        id: u64,
        depth: usize,
        nesting: usize,
    ) -> Result<i64, ExpressionError> {
        let pattern = call.args.pop();
        let text = match call.target.take() {
            Some(target) => Some(*target),
            None => call.args.pop(),
        };
        let (Some(mut text), Some(pattern), true) = (text, pattern, call.args.is_empty()) else {
            return self.refuse(id, "`matches` takes a text and a pattern");
        };
        let Expr::Literal(LiteralValue::String(pattern)) = &pattern.expr else {
            return self.refuse(id, "the pattern of `matches` must be a literal text");
        };
        let built = RegexBuilder::new(pattern.inner())
            .size_limit(MAX_PATTERN)
            .dfa_size_limit(MAX_PATTERN)
            .build();
        let Ok(built) = built else {
            return self.refuse(id, "the pattern of `matches` is no regular expression");
        };
        let nodes = 2 + self.walk(&mut text, depth + 1, nesting)?;
        let place = self.patterns.len() as i64;
        self.patterns.push(built);
        MATCHES.clone_into(&mut call.func_name);
        call.args = vec![text, number(place)];
        Ok(nodes)
    }

    fn comprehension(
        &mut self,
        one: &mut ComprehensionExpr,
        id: u64,
        depth: usize,
        nesting: usize,
    ) -> Result<i64, ExpressionError> {
        if nesting >= MAX_NESTING {
            let why = format!("more than {MAX_NESTING} loops stand in each other");
            return self.refuse(id, &why);
        }
        if one.iter_var == "self" {
            return self.refuse(id, "a loop must not call its variable `self`");
        }
        let range = self.walk(&mut one.iter_range, depth + 1, nesting)?;
        self.variables.push(one.iter_var.clone());
        // The accumulator is of the macro; nobody can name it.
        let mut body = self.walk(&mut one.loop_cond, depth + 1, nesting + 1)?;
        // The step keeps its form (`@result + [x]`), by which the evaluation knows that it appends.
        body += self.walk(&mut one.loop_step, depth + 1, nesting + 1)?;
        self.variables.pop();
        let goes_through = std::mem::take(&mut one.iter_range);
        one.iter_range = call(PAY, vec![goes_through, number(body)]);
        Ok(range + body)
    }
}

/// `a.b.c`: handed out without a copy.
fn is_name(expr: &Expr) -> bool {
    match expr {
        Expr::Ident(_) => true,
        Expr::Select(select) => !select.test && is_name(&select.operand.expr),
        _ => false,
    }
}

/// Lets a value be paid for where it is used; what is of a fixed size is free, and so is the
/// accumulator of a loop.
fn pay(node: &mut IdedExpr) {
    let is_free = match &node.expr {
        Expr::Literal(_) | Expr::List(_) | Expr::Map(_) => true,
        Expr::Ident(name) => name.starts_with('@'),
        Expr::Call(call) => call.func_name == PAY || call.func_name == MATCHES,
        Expr::Select(select) => select.test,
        _ => false,
    };
    if !is_free {
        let value = std::mem::take(node);
        *node = call(PAY, vec![value]);
    }
}

fn call(name: &str, args: Vec<IdedExpr>) -> IdedExpr {
    IdedExpr {
        id: 0,
        expr: Expr::Call(CallExpr {
            func_name: name.to_owned(),
            target: None,
            args,
        }),
    }
}

fn number(number: i64) -> IdedExpr {
    IdedExpr {
        id: 0,
        expr: Expr::Literal(LiteralValue::Int(number.into())),
    }
}
