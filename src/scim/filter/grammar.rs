//! The grammar of RFC 7644 figure 1, a little wider: bare words as text, `not(` without a space.
//!
//! Depth and number of terms are counted while reading, before anything is built on them. Messages
//! are fixed texts, so that nothing of the input is echoed.

use winnow::Parser;
use winnow::Stateful;
use winnow::ascii::multispace0;
use winnow::error::{ErrMode, ParserError};
use winnow::stream::Stream;
use winnow::token::take_while;

use super::{BYTES, DEPTH, Operator, TERMS};
use crate::scim::path::{AttributePath, LIMIT, is_path_char};

/// A filter whose paths are not looked up yet.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Syntax {
    And(Vec<Syntax>),
    Or(Vec<Syntax>),
    Not(Box<Syntax>),
    Compare(AttributePath, Operator, Word),
    Present(AttributePath),
    ValuePath {
        path: AttributePath,
        filter: Box<Syntax>,
        sub: Option<String>,
        test: Option<Test>,
    },
}

/// What follows a path.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    Present,
    Compare(Operator, Word),
}

/// A literal as it was written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Word {
    Quoted(String),
    Bare(String),
}

/// Reads a whole filter.
pub(super) fn filter(text: &str) -> Result<Syntax, &'static str> {
    if text.len() > BYTES {
        return Err("expected a filter of at most 4096 bytes");
    }
    whole(text, |input| {
        let syntax = any_of(input)?;
        blanks(input)?;
        Ok(syntax)
    })
}

/// Reads `attribute[filter].sub`.
pub(super) fn value_path(
    text: &str,
) -> Result<(AttributePath, Syntax, Option<String>), &'static str> {
    if text.len() > LIMIT {
        return Err("expected a path of at most 512 bytes");
    }
    whole(text, |input| {
        let path = path(input)?;
        let filter = bracket(input)?;
        Ok((path, filter, part(input)?))
    })
}

/// Why the text was refused; no text while it may still be something else.
#[derive(Debug, Clone, Copy, Default)]
struct Refusal(Option<&'static str>);

impl<'a> ParserError<Input<'a>> for Refusal {
    type Inner = Self;

    fn from_input(_: &Input<'a>) -> Self {
        Self(None)
    }

    fn into_inner(self) -> Result<Self::Inner, Self> {
        Ok(self)
    }
}

/// What has been counted so far.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    depth: usize,
    terms: usize,
}

type Input<'a> = Stateful<&'a str, Count>;
type Parsed<T> = Result<T, ErrMode<Refusal>>;

const UNEXPECTED: &str =
    "expected comparisons such as userName eq \"name\", joined by and, or, not";

fn refuse<T>(why: &'static str) -> Parsed<T> {
    Err(ErrMode::Cut(Refusal(Some(why))))
}

fn whole<T>(text: &str, read: impl FnOnce(&mut Input<'_>) -> Parsed<T>) -> Result<T, &'static str> {
    let mut input = Input {
        input: text,
        state: Count::default(),
    };
    match read(&mut input) {
        Ok(value) if input.input.is_empty() => Ok(value),
        Ok(_) | Err(ErrMode::Incomplete(_)) => Err(UNEXPECTED),
        Err(ErrMode::Cut(why) | ErrMode::Backtrack(why)) => Err(why.0.unwrap_or(UNEXPECTED)),
    }
}

fn any_of(input: &mut Input<'_>) -> Parsed<Syntax> {
    let mut terms = vec![all_of(input)?];
    while keyword(input, "or") {
        terms.push(all_of(input)?);
    }
    Ok(if terms.len() == 1 {
        terms.remove(0)
    } else {
        Syntax::Or(terms)
    })
}

fn all_of(input: &mut Input<'_>) -> Parsed<Syntax> {
    let mut terms = vec![term(input)?];
    while keyword(input, "and") {
        terms.push(term(input)?);
    }
    Ok(if terms.len() == 1 {
        terms.remove(0)
    } else {
        Syntax::And(terms)
    })
}

fn term(input: &mut Input<'_>) -> Parsed<Syntax> {
    blanks(input)?;
    if input.input.starts_with('(') {
        return enclosed(input, '(', ')');
    }
    if is_negation(input.input) {
        input.next_slice("not".len());
        blanks(input)?;
        return Ok(Syntax::Not(Box::new(enclosed(input, '(', ')')?)));
    }
    input.state.terms += 1;
    if input.state.terms > TERMS {
        return refuse("expected at most 100 comparisons");
    }
    let path = path(input)?;
    if input.input.starts_with('[') {
        let filter = Box::new(bracket(input)?);
        let sub = part(input)?;
        let test = optional_test(input)?;
        return Ok(Syntax::ValuePath {
            path,
            filter,
            sub,
            test,
        });
    }
    match optional_test(input)? {
        Some(Test::Present) => Ok(Syntax::Present(path)),
        Some(Test::Compare(operator, word)) => Ok(Syntax::Compare(path, operator, word)),
        None => refuse(UNEXPECTED),
    }
}

fn bracket(input: &mut Input<'_>) -> Parsed<Syntax> {
    enclosed(input, '[', ']')
}

fn enclosed(input: &mut Input<'_>, mut open: char, mut close: char) -> Parsed<Syntax> {
    open.parse_next(input)?;
    if input.state.depth == DEPTH {
        return refuse("expected at most 20 levels of parentheses");
    }
    input.state.depth += 1;
    let syntax = any_of(input)?;
    blanks(input)?;
    close.parse_next(input)?;
    input.state.depth -= 1;
    Ok(syntax)
}

fn path(input: &mut Input<'_>) -> Parsed<AttributePath> {
    let text: &str = take_while(1.., is_path_char).parse_next(input)?;
    match AttributePath::read(text) {
        Some(path) => Ok(path),
        None => refuse("expected an attribute path"),
    }
}

/// `.value` after a bracket.
fn part(input: &mut Input<'_>) -> Parsed<Option<String>> {
    if !input.input.starts_with('.') {
        return Ok(None);
    }
    input.next_slice(1);
    let path = path(input)?;
    let text = path.to_string();
    if text.contains(['.', ':']) {
        return refuse("expected one sub-attribute after the brackets");
    }
    Ok(Some(text))
}

/// The operator and literal after a path. After brackets there may be none.
fn optional_test(input: &mut Input<'_>) -> Parsed<Option<Test>> {
    let start = input.checkpoint();
    blanks(input)?;
    let word: &str = take_while(0.., |c: char| c.is_ascii_alphabetic()).parse_next(input)?;
    if word.eq_ignore_ascii_case("pr") {
        return Ok(Some(Test::Present));
    }
    let Some(operator) = operator(word) else {
        input.reset(&start);
        return Ok(None);
    };
    if !input.input.starts_with([' ', '\t', '"']) {
        return refuse(UNEXPECTED);
    }
    blanks(input)?;
    Ok(Some(Test::Compare(operator, literal(input)?)))
}

fn operator(word: &str) -> Option<Operator> {
    use Operator::{Co, Eq, Ew, Ge, Gt, Le, Lt, Ne, Sw};
    let all = [Eq, Ne, Co, Sw, Ew, Gt, Ge, Lt, Le];
    all.into_iter()
        .find(|operator| operator.to_string().eq_ignore_ascii_case(word))
}

/// A literal without NUL, which not every database can compare with.
fn literal(input: &mut Input<'_>) -> Parsed<Word> {
    let word = word(input)?;
    let (Word::Quoted(text) | Word::Bare(text)) = &word;
    if text.contains('\0') {
        return refuse("expected text without NUL characters");
    }
    Ok(word)
}

fn word(input: &mut Input<'_>) -> Parsed<Word> {
    if !input.input.starts_with('"') {
        return bare_word(input);
    }
    // A string ends at the first quote that no backslash stands before (RFC 8259 section 7).
    let mut escaped = false;
    let end = input.input.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    let Some(end) = end else {
        return refuse("expected a closing quote");
    };
    let quoted = input.next_slice(end + 2);
    match serde_json::from_str(quoted) {
        Ok(text) => Ok(Word::Quoted(text)),
        Err(_) => refuse("expected a JSON string"),
    }
}

/// Text without quotes, as some clients send it: up to the next blank or bracket.
fn bare_word(input: &mut Input<'_>) -> Parsed<Word> {
    let ends = |c: char| c.is_whitespace() || "()[]\"\\".contains(c);
    let word: &str = take_while(1.., |c| !ends(c)).parse_next(input)?;
    let is_keyword = ["and", "or", "not", "pr"]
        .iter()
        .any(|known| word.eq_ignore_ascii_case(known))
        || operator(word).is_some();
    let stops = input.input.starts_with(['"', '\\', '(', '[']);
    if is_keyword || stops {
        return refuse("expected a value in quotes");
    }
    Ok(Word::Bare(word.to_owned()))
}

/// Takes a joining word if it comes next; it ends at a blank or a parenthesis.
fn keyword(input: &mut Input<'_>, word: &str) -> bool {
    let rest = input.input.trim_start();
    let found = rest
        .get(..word.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(word))
        && rest[word.len()..].starts_with(|c: char| c.is_whitespace() || c == '(');
    if found {
        let taken = input.input.len() - rest.len() + word.len();
        input.next_slice(taken);
    }
    found
}

fn is_negation(text: &str) -> bool {
    text.get(..3)
        .is_some_and(|start| start.eq_ignore_ascii_case("not"))
        && text[3..].trim_start().starts_with('(')
}

fn blanks(input: &mut Input<'_>) -> Parsed<()> {
    multispace0.void().parse_next(input)
}
