//! The few pages that need no script: notices, and the way in.

use axum::response::{Html, IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;

/// A page under a path that says one thing. Text between backticks is shown as code.
pub(crate) fn notice(status: StatusCode, path: &str, title: &str, paragraphs: &[&str]) -> Response {
    let page = page(&way_up(path), title, "", paragraphs);
    (status, Html(page)).into_response()
}

/// What leads from a path to the root of the UI, wherever a proxy has put that.
fn way_up(path: &str) -> String {
    "../".repeat(path.matches('/').count().saturating_sub(1))
}

/// A page that goes on to the application by itself.
///
/// A redirect would still count as coming from the site that the link was clicked on, and the
/// browser would then not send a `SameSite=Strict` cookie; a page that moves on starts anew.
pub(crate) fn onward() -> String {
    page(
        "",
        "Signed in",
        "<meta http-equiv=\"refresh\" content=\"0;url=./\">",
        &["If nothing happens, open `/`."],
    )
}

/// The style of the notices.
pub(crate) async fn style() -> Response {
    (
        [(CONTENT_TYPE, "text/css; charset=utf-8")],
        include_str!("pages/notice.css"),
    )
        .into_response()
}

fn page(root: &str, title: &str, head: &str, paragraphs: &[&str]) -> String {
    let title = escape(title);
    let mut body = String::new();
    for text in paragraphs {
        body.push_str("<p>");
        body.push_str(&with_code(text));
        body.push_str("</p>\n");
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} · Syncline</title>\n{head}<link rel=\"icon\" href=\"data:,\">\n\
         <link rel=\"stylesheet\" href=\"{root}notice.css\">\n\
         </head>\n<body>\n<main>\n<p class=\"name\">Syncline</p>\n<h1>{title}</h1>\n{body}</main>\n\
         </body>\n</html>\n"
    )
}

fn with_code(text: &str) -> String {
    let mut html = String::new();
    for (index, part) in text.split('`').enumerate() {
        if index % 2 == 1 {
            html.push_str("<code>");
            html.push_str(&escape(part));
            html.push_str("</code>");
        } else {
            html.push_str(&escape(part));
        }
    }
    html
}

fn escape(text: &str) -> String {
    text.chars()
        .fold(String::with_capacity(text.len()), |mut html, character| {
            match character {
                '&' => html.push_str("&amp;"),
                '<' => html.push_str("&lt;"),
                '>' => html.push_str("&gt;"),
                '"' => html.push_str("&quot;"),
                '\'' => html.push_str("&#39;"),
                other => html.push(other),
            }
            html
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_notice_is_never_markup() {
        let html = page("", "<b>", "", &["a `<i>` & \"c\""]);
        assert!(html.contains("<h1>&lt;b&gt;</h1>"));
        assert!(html.contains("<p>a <code>&lt;i&gt;</code> &amp; &quot;c&quot;</p>"));
    }

    #[test]
    fn the_style_of_a_notice_is_found_from_every_path() {
        for (path, way) in [
            ("/", ""),
            ("/login", ""),
            ("/a/b", "../"),
            ("/a/b/", "../../"),
        ] {
            assert_eq!(way_up(path), way, "{path}");
        }
    }
}
