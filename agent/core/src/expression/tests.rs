use serde_json::json;

use super::*;

#[test]
fn probe() {
    let n: usize = std::env::var("N").unwrap().parse().unwrap();
    let stack: usize = std::env::var("STACK").unwrap().parse().unwrap();
    let text = match std::env::var("KIND").unwrap().as_str() {
        "plus" => format!("{}1 == 1", "1+".repeat(n)),
        "and" => format!("{}true", "true && ".repeat(n)),
        "paren" => format!("{}true{}", "(".repeat(n), ")".repeat(n)),
        "list" => format!("{}1{} == 1", "[".repeat(n), "]".repeat(n)),
        "size" => format!("{}1{} == 1", "size(".repeat(n), ")".repeat(n)),
        "mix" => format!("{}1 == 1{}", "(1+1+".repeat(n), ")".repeat(n)),
        "map" => format!("{}[1]{} == 1", "[1].map(a,".repeat(n), ")".repeat(n)),
        "chain" => format!("self{}", ".map(a,a)".repeat(n)),
        "dots" => format!("self{}", ".a".repeat(n)),
        "not" => format!("{}true", "!".repeat(n)),
        "index" => format!("self{}", "[0]".repeat(n)),
        "opt" => format!("self{}", ".?a".repeat(n)),
        "tern" => format!("{}true{}", "true?".repeat(n), ":true".repeat(n)),
        other => other.repeat(n),
    };
    let done = std::thread::Builder::new()
        .stack_size(stack << 10)
        .spawn(move || {
            Expression::parse(&text).map(|e| {
                (
                    e.program.depth,
                    crate::expression::run::holds(&e.program, &e.text, &json!({"a":{"a":{}}})),
                )
            })
        })
        .unwrap()
        .join()
        .unwrap();
    eprintln!("-> {done:?}");
}
