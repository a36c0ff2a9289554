//! Entrance: where somebody shows a key, on a host that asks for one.

use kinora_api::Problem;
use maud::html;

use crate::shell::Page;
use crate::visit::Reply;

/// `token` is what the form shows; `next` is where they wanted to go.
pub fn sign_in(token: &str, next: &str, said: Option<&Problem>) -> Reply {
    let body = html! {
        div.entrance {
            h1 { "Kinora" }
            p { "This host answers only those that it knows. Show your key." }
            @if let Some(said) = said { div.notice.bad role="alert" { p { (said.detail) } } }
            form.ask method="post" action="/console/sign-in" {
                input type="hidden" name="token" value=(token);
                input type="hidden" name="next" value=(next);
                label for="key" { "API key" }
                input #key type="password" name="key" required autocomplete="current-password" autofocus;
                p { button.first { "Sign in" } }
            }
            p.quiet { "Keys are made on the machine of the host: " code { "kinora keys create" } }
        }
    };
    let mut page = Page::new("", "Sign in", body);
    page.status = said.map_or(200, |problem| problem.status);
    page.reply_to_nobody()
}
