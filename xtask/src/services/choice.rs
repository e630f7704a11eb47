//! Which of a service's possible places is taken.

/// What there is of one service.
pub(super) struct Seen<'a> {
    /// The url in the environment.
    pub(super) given: Option<String>,
    /// Whether it answers on its standard port.
    pub(super) answers: &'a dyn Fn() -> bool,
    /// Whether an engine runs that Docker Compose can use.
    pub(super) engine: bool,
}

/// Where a service is taken from.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The url in the environment, believed without a look: it may lead anywhere and need anything.
    Given(String),
    /// What is on this machine's standard port.
    StandardPort,
    /// A container, from docker-compose.yml.
    Compose,
    /// A process of Debian's package, in a folder of its own.
    Private,
}

pub(super) fn choose(seen: &Seen<'_>) -> Source {
    if let Some(url) = &seen.given {
        Source::Given(url.clone())
    } else if (seen.answers)() {
        Source::StandardPort
    } else if seen.engine {
        Source::Compose
    } else {
        Source::Private
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(given: Option<&str>, answers: bool, engine: bool) -> Source {
        choose(&Seen {
            given: given.map(str::to_owned),
            answers: &|| answers,
            engine,
        })
    }

    #[test]
    fn the_environment_wins_and_nobody_else_is_asked() {
        let seen = Seen {
            given: Some("redis://elsewhere".into()),
            answers: &|| panic!("nobody has to look"),
            engine: true,
        };
        assert_eq!(choose(&seen), Source::Given("redis://elsewhere".into()));
    }

    #[test]
    fn then_comes_what_answers_then_an_engine_then_a_private_one() {
        assert_eq!(chosen(None, true, true), Source::StandardPort);
        assert_eq!(chosen(None, true, false), Source::StandardPort);
        assert_eq!(chosen(None, false, true), Source::Compose);
        assert_eq!(chosen(None, false, false), Source::Private);
    }
}
