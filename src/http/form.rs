//! `application/x-www-form-urlencoded`: names and values of a form.

/// The pairs of a form in the order sent; `None` when the encoding is broken or
/// something is not UTF-8.
pub(super) fn pairs(text: &[u8]) -> Option<Vec<(String, String)>> {
    text.split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let at = pair.iter().position(|byte| *byte == b'=');
            let (name, value) = pair.split_at(at.unwrap_or(pair.len()));
            Some((decoded(name)?, decoded(value.get(1..).unwrap_or_default())?))
        })
        .collect()
}

fn decoded(text: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => digit(*rest.next()?)? * 16 + digit(*rest.next()?)?,
            b'+' => b' ',
            byte => *byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn digit(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Vec<(String, String)>> {
        pairs(text.as_bytes())
    }

    #[test]
    fn a_form_is_read_pair_by_pair() {
        for (text, wanted) in [
            ("", &[][..]),
            ("token=a.b.c", &[("token", "a.b.c")]),
            (
                "a=1&&b=x%2By+z&c=1=2&d",
                &[("a", "1"), ("b", "x+y z"), ("c", "1=2"), ("d", "")],
            ),
        ] {
            let pairs = read(text).expect("a good form");
            let pairs: Vec<_> = pairs
                .iter()
                .map(|(a, b)| (a.as_str(), b.as_str()))
                .collect();
            assert_eq!(pairs, wanted, "{text}");
        }
        for broken in ["a=%", "a=%1", "a=%zz", "%ff=1"] {
            assert_eq!(read(broken), None, "{broken}");
        }
    }
}
