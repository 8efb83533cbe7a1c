//! Evaluates an expression on an object within its budget.
//!
//! A value costs a step, its parts, and a step for each [`TEXT_STEP`] bytes of text. A loop costs the
//! value that it goes through and, for each element, the parts of its body; an operator or a
//! function its operands; a pattern the text once for each part of the pattern.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use cel::common::types::{
    CelBool, CelBytes, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelOptional,
    CelString, CelUInt,
};
use cel::common::value::{CowVal, Val};
use cel::{Context, Env, ExecutionError, FunctionContext, Value as CelValue};
use serde_json::Value;

use super::check::{Checked, MATCHES, PAY};
use super::{ExpressionError, MAX_COST};

/// How many bytes of text one step pays for.
const TEXT_STEP: usize = 16;

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

type Function = Box<
    dyn for<'c, 'v> Fn(&mut FunctionContext<'c, 'v>) -> Result<CowVal<'c, 'v>, ExecutionError>
        + Send
        + Sync,
>;

/// What is left to spend.
struct Budget(AtomicU64);

impl Budget {
    fn pay(&self, cost: u64) -> Result<(), ExecutionError> {
        let left = self.0.load(Ordering::Relaxed);
        self.0.store(left.saturating_sub(cost), Ordering::Relaxed);
        if cost < left {
            Ok(())
        } else {
            Err(ExecutionError::InternalError(String::new()))
        }
    }

    fn left(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

pub(super) fn holds(
    program: &Arc<Checked>,
    text: &str,
    object: &Value,
) -> Result<bool, ExpressionError> {
    let budget = Arc::new(Budget(AtomicU64::new(MAX_COST)));
    let mut context = Context::with_env(Arc::clone(&ENV));
    context.add_variable_as_val("self", value(object));
    let spent = Arc::clone(&budget);
    let pay: Function = Box::new(move |call| pay(call, &spent));
    let spent = Arc::clone(&budget);
    let patterns = Arc::clone(program);
    let matches: Function = Box::new(move |call| matches(call, &patterns, &spent));
    for (name, function) in [(PAY, pay), (MATCHES, matches)] {
        context
            .add_function(name, function)
            .map_err(|_| ExpressionError::Failed(format!("the function `{name}` is taken")))?;
    }
    let answer = CelValue::resolve_val(&program.tree, &context);
    // An error is overruled by `true || error`, a spent budget is not.
    if budget.left() == 0 {
        return Err(ExpressionError::TooCostly);
    }
    match answer {
        Ok(answer) => match answer.downcast_ref::<CelBool>() {
            Some(answer) => Ok(*answer.inner()),
            None => Err(ExpressionError::NoBoolean(word(answer.as_ref()))),
        },
        Err(error) => Err(told(&error, text)),
    }
}

fn pay<'c, 'v>(
    call: &mut FunctionContext<'c, 'v>,
    budget: &Budget,
) -> Result<CowVal<'c, 'v>, ExecutionError> {
    let mut arguments = std::mem::take(&mut call.args).into_iter();
    let (Some(value), body) = (arguments.next(), arguments.next()) else {
        return Err(ExecutionError::MissingArgumentOrTarget);
    };
    let mut cost = 0;
    weigh(value.as_ref(), budget.left(), &mut cost);
    let body = body.and_then(|body| body.downcast_ref::<CelInt>().map(|body| *body.inner()));
    if let (Some(body), Some(sizer)) = (body, value.as_sizer()) {
        let times = *sizer.size().inner() as u64;
        cost = cost.saturating_add(times.saturating_mul(body as u64));
    }
    budget.pay(cost)?;
    Ok(value)
}

fn matches<'c, 'v>(
    call: &mut FunctionContext<'c, 'v>,
    program: &Checked,
    budget: &Budget,
) -> Result<CowVal<'c, 'v>, ExecutionError> {
    let [text, place] = call.args.as_slice() else {
        return Err(ExecutionError::MissingArgumentOrTarget);
    };
    let pattern = place
        .downcast_ref::<CelInt>()
        .and_then(|place| program.patterns.get(*place.inner() as usize))
        .ok_or(ExecutionError::MissingArgumentOrTarget)?;
    let Some(text) = text.downcast_ref::<CelString>() else {
        let kind = word(text.as_ref()).to_owned();
        return Err(ExecutionError::no_such_overload("matches", vec![kind]));
    };
    let steps = (text.inner().len() / TEXT_STEP + 1) * (pattern.as_str().len() + 1);
    budget.pay(steps as u64)?;
    let answer = pattern.is_match(text.inner());
    Ok(CowVal::owned(CelBool::from(answer)))
}

/// Adds up what a value costs, and stops beyond a limit.
fn weigh(value: &dyn Val, limit: u64, cost: &mut u64) {
    *cost += 1;
    if *cost > limit {
        return;
    }
    if let Some(text) = value.downcast_ref::<CelString>() {
        *cost += (text.inner().len() / TEXT_STEP) as u64;
    } else if let Some(bytes) = value.downcast_ref::<CelBytes>() {
        *cost += (bytes.inner().len() / TEXT_STEP) as u64;
    } else if let Some(list) = value.downcast_ref::<CelList>() {
        list.inner()
            .iter()
            .for_each(|element| weigh(element.as_ref(), limit, cost));
    } else if let Some(map) = value.downcast_ref::<CelMap>() {
        for (key, element) in map.inner() {
            weigh(key.inner(), limit, cost);
            weigh(element.as_ref(), limit, cost);
        }
    } else if let Some(optional) = value.downcast_ref::<CelOptional>()
        && let Some(inner) = optional.inner()
    {
        weigh(inner, limit, cost);
    }
}

/// The object as the evaluation sees it; text is borrowed.
fn value(json: &Value) -> Box<dyn Val + '_> {
    match json {
        Value::Null => Box::new(CelNull),
        Value::Bool(value) => Box::new(CelBool::from(*value)),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => Box::new(CelInt::from(whole)),
            (None, Some(whole)) => Box::new(CelUInt::from(whole)),
            (None, None) => Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN))),
        },
        Value::String(text) => Box::new(CelString::from(text.as_str())),
        Value::Array(list) => Box::new(CelList::from(list.iter().map(value).collect::<Vec<_>>())),
        Value::Object(map) => Box::new(CelMap::from(
            map.iter()
                .map(|(key, element)| (CelMapKey::from(key.as_str()), value(element)))
                .collect::<HashMap<_, _>>(),
        )),
    }
}

/// What a value is, for people.
fn word(value: &dyn Val) -> &'static str {
    if value.downcast_ref::<CelString>().is_some() {
        "a text"
    } else if value.downcast_ref::<CelList>().is_some() {
        "a list"
    } else if value.downcast_ref::<CelMap>().is_some() {
        "a map"
    } else if value.downcast_ref::<CelNull>().is_some() {
        "null"
    } else if value.downcast_ref::<CelInt>().is_some()
        || value.downcast_ref::<CelUInt>().is_some()
        || value.downcast_ref::<CelDouble>().is_some()
    {
        "a number"
    } else if value.downcast_ref::<CelOptional>().is_some() {
        "an optional value"
    } else {
        "something else"
    }
}

/// The error in our words: those of the crate quote values.
fn told(error: &ExecutionError, text: &str) -> ExpressionError {
    use ExecutionError as Error;
    let failed = |why: &str| ExpressionError::Failed(why.to_owned());
    match error {
        // The name is of the expression where it stands there; else it may be a value.
        Error::NoSuchKey(name) if text.contains(name.as_str()) => {
            ExpressionError::Missing(format!("there is no field `{name}`"))
        }
        Error::NoSuchKey(_) => ExpressionError::Missing("there is no such field".to_owned()),
        Error::IndexOutOfBounds(_) => {
            ExpressionError::Missing("the list has no such element".to_owned())
        }
        Error::NoSuchOverload(overload) => {
            let types = overload.argument_types();
            let why = format!(
                "`{}` does not take {}",
                function(overload.function()),
                types.join(" and ")
            );
            if types
                .iter()
                .any(|name| name == "null" || name == "null_type")
            {
                ExpressionError::Missing(why)
            } else {
                ExpressionError::Failed(why)
            }
        }
        Error::DivisionByZero(_) | Error::RemainderByZero(_) => failed("division by zero"),
        Error::Overflow(..) => failed("a number is too large"),
        Error::FunctionError { function: name, .. } => {
            ExpressionError::Failed(format!("`{}` cannot read what it is given", function(name)))
        }
        Error::InvalidArgumentCount { expected, .. } => {
            ExpressionError::Failed(format!("a function takes {expected} arguments"))
        }
        Error::UnexpectedType { want, .. } => {
            let want: String = want.chars().take(40).collect();
            ExpressionError::Failed(format!("a value has another type than {want}"))
        }
        Error::DuplicateKey(_) => failed("a map has a key twice"),
        _ => failed("the types of its values do not fit"),
    }
}

/// The name of a function or operator as it is written.
fn function(name: &str) -> &str {
    name.trim_matches(['_', '@'])
}
