use crate::draw::Draw;
use hilum_dimse::Status;
use std::ops::Range;
use std::time::Duration;

/// What the archive does with an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// Keep it and say so.
    Store,
    /// Do not keep it and answer this status.
    Refuse(Status),
    /// Keep it and answer after this time.
    Delay(Duration),
    /// Abort the association (A-ABORT) before an answer; the instance is not kept.
    Abort,
    /// Close the connection without a word; the instance is not kept.
    Disconnect,
    /// Answer success and forget it: an archive that loses what it acknowledged.
    AcknowledgeAndDrop,
    /// Keep it and abort instead of an answer, so that the sender must send it again.
    StoreAndAbort,
}

/// When a rule holds. Instances are counted over all associations from 0, in the order their C-STORE-RQ is read.
#[derive(Debug, Clone, PartialEq)]
pub enum When {
    /// For every instance.
    Always,
    /// For these instances.
    Instances(Range<u64>),
    /// For instance `n - 1`, `2 n - 1`, and so on; never when 0.
    Every(u64),
    /// For each instance with this probability, drawn from the script's seed.
    Probability(f64),
    /// For one SOP class.
    SopClass(String),
}

/// One line of a script.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Condition.
    pub when: When,
    /// What is done.
    pub then: Behaviour,
}

/// What an archive does, instance by instance: the first rule that holds; without one it stores.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Script {
    /// Seed of probabilities.
    pub seed: u64,
    /// Rules in order.
    pub rules: Vec<Rule>,
}

impl Script {
    /// An archive that always does this.
    pub fn always(then: Behaviour) -> Script {
        Script { seed: 0, rules: vec![Rule { when: When::Always, then }] }
    }

    /// An archive with one rule, storing everything else.
    pub fn when(when: When, then: Behaviour) -> Script {
        Script { seed: 0, rules: vec![Rule { when, then }] }
    }

    /// What is done with instance `number` of this class; the same for the same script.
    pub fn decide(&self, number: u64, sop_class_uid: &str) -> Behaviour {
        for (line, rule) in self.rules.iter().enumerate() {
            let holds = match &rule.when {
                When::Always => true,
                When::Instances(range) => range.contains(&number),
                When::Every(n) => *n != 0 && (number + 1).is_multiple_of(*n),
                When::Probability(p) => Draw::new(self.seed, &format!("rule {line} instance {number}")).chance(*p),
                When::SopClass(class) => class == sop_class_uid,
            };
            if holds {
                return rule.then;
            }
        }
        Behaviour::Store
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_holds_decides() {
        let refuse = Behaviour::Refuse(Status::OUT_OF_RESOURCES);
        let script = Script {
            seed: 5,
            rules: vec![
                Rule { when: When::Instances(0..2), then: refuse },
                Rule { when: When::Every(3), then: Behaviour::Abort },
                Rule { when: When::SopClass("1.2.3".into()), then: Behaviour::AcknowledgeAndDrop },
            ],
        };
        let decided: Vec<Behaviour> = (0..6).map(|number| script.decide(number, "1.2")).collect();
        use Behaviour::{Abort, Store};
        assert_eq!(decided, [refuse, refuse, Abort, Store, Store, Abort]);
        assert_eq!(script.decide(3, "1.2.3"), Behaviour::AcknowledgeAndDrop);
    }

    #[test]
    fn probabilities_are_kept_and_repeatable() {
        let script = Script::when(When::Probability(0.3), Behaviour::Abort);
        let aborted = |script: &Script| (0..2000).filter(|n| script.decide(*n, "") == Behaviour::Abort).count();
        // Binomial, n = 2000, p = 0.3: 600 with a standard deviation of 20.5.
        assert!((500..700).contains(&aborted(&script)));
        assert_eq!(aborted(&script), aborted(&script.clone()));
    }
}
