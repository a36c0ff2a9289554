//! Patterns of `like` and `ilike`: `*` or `%` for any characters, `_` for one, a backslash before one that is meant.

#[derive(Clone, Debug, PartialEq, Hash)]
pub struct Pattern {
    parts: Vec<Part>,
    ignores_case: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Hash)]
enum Part {
    Any,
    One,
    Character(char),
}

impl Pattern {
    pub fn new(text: &str, ignores_case: bool) -> Self {
        let mut parts = Vec::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match character {
                '*' | '%' => parts.push(Part::Any),
                '_' => parts.push(Part::One),
                '\\' => parts.push(Part::Character(characters.next().unwrap_or('\\'))),
                other if ignores_case => parts.extend(other.to_lowercase().map(Part::Character)),
                other => parts.push(Part::Character(other)),
            }
        }
        Self { parts, ignores_case }
    }

    pub fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = if self.ignores_case {
            text.chars().flat_map(char::to_lowercase).collect()
        } else {
            text.chars().collect()
        };
        let (mut at, mut part) = (0, 0);
        // Where to go on if the last `*` has to take one character more.
        let mut again: Option<(usize, usize)> = None;
        while at < text.len() {
            match self.parts.get(part) {
                Some(Part::Any) => {
                    again = Some((at, part));
                    part += 1;
                    continue;
                }
                Some(Part::One) => {
                    (at, part) = (at + 1, part + 1);
                    continue;
                }
                Some(Part::Character(wanted)) if text.get(at) == Some(wanted) => {
                    (at, part) = (at + 1, part + 1);
                    continue;
                }
                _ => {}
            }
            let Some((from, any)) = again else { return false };
            again = Some((from + 1, any));
            (at, part) = (from + 1, any + 1);
        }
        self.parts.iter().skip(part).all(|part| *part == Part::Any)
    }

    /// What every match begins with, and whether all that begin so match.
    pub fn prefix(&self) -> (String, bool) {
        if self.ignores_case {
            return (String::new(), false);
        }
        let character = |part: &Part| match part {
            Part::Character(character) => Some(*character),
            Part::Any | Part::One => None,
        };
        let prefix: String = self.parts.iter().map_while(character).collect();
        let rest = self.parts.get(prefix.chars().count()..).unwrap_or_default();
        let all = !rest.is_empty() && rest.iter().all(|part| *part == Part::Any);
        (prefix, all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_sql() {
        let matches = |pattern: &str, text: &str| Pattern::new(pattern, false).matches(text);
        for (pattern, text) in
            [("*", ""), ("a*", "a"), ("*b*", "abc"), ("a_c", "aéc"), ("%a%a%", "xaya"), ("a\\*", "a*"), ("", "")]
        {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a", "ab"), ("a_", "a"), ("*a*a*", "xay"), ("a\\*", "ab"), ("", "a"), ("A*", "ab")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
        assert!(Pattern::new("EW*", true).matches("ewr") && Pattern::new("*É", true).matches("caFé"));
    }

    #[test]
    fn a_prefix_is_what_all_matches_begin_with() {
        let prefix = |pattern: &str| Pattern::new(pattern, false).prefix();
        assert_eq!(prefix("EW*"), ("EW".to_owned(), true));
        assert_eq!(prefix("EW_*"), ("EW".to_owned(), false));
        assert_eq!(prefix("EWR"), ("EWR".to_owned(), false));
        assert_eq!(prefix("*R"), (String::new(), false));
        assert_eq!(Pattern::new("EW*", true).prefix(), (String::new(), false));
    }
}
