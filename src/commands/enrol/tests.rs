//! Promises of the command line of `arenad enrol`.

use super::clicks::parse;

#[test]
fn a_click_is_read_and_a_wrong_one_says_what_is_allowed() {
    let click = parse("white@120:310.5,208").map(|click| format!("{click:?}"));
    assert_eq!(click.as_deref(), Ok("Click { name: \"white\", frame: 120, at: InCamera { x: 310.5, y: 208.0 } }"));
    let allowed = "allowed: NAME@FRAME:X,Y, for example white@120:310.5,208";
    for text in [
        "white",
        "white@1",
        "white@x:1,2",
        "white@1:1",
        "white@1:-4,2",
        "white@1:NaN,2",
        "white@-1:1,2",
        "white@1:1,2e9",
    ] {
        assert_eq!(parse(text), Err(allowed.to_owned()), "{text}");
    }
    assert_eq!(
        parse("../etc@1:2,3"),
        Err("got the name \"../etc\"; allowed: 1 to 32 letters, digits, - and _".to_owned())
    );
}
