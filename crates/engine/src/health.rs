//! The `health` monitor: says what is wrong, and nothing when nothing is.

use antiphon_core::json::{Document, JsonLimits};
use antiphon_core::signal::Facts;

use crate::handle::Status;
use crate::registry::{Observation, Repeat};

/// Dead letters above which an alert is worth it, unless `letters_max` says otherwise.
const LETTERS_MAX: u64 = 100;
/// Runs waiting above which an alert is worth it, unless `runs_planned_max` says otherwise.
const RUNS_PLANNED_MAX: u64 = 10_000;

/// What is wrong, one observation for each kind of thing; the settings are the monitor's options.
#[must_use]
pub fn look(status: &Status, options: &Facts) -> Vec<Observation> {
    let limit = |name: &str, default: u64| {
        let set = options
            .document()
            .root()
            .get(name)
            .and_then(|value| value.as_i64());
        set.and_then(|value| u64::try_from(value).ok())
            .unwrap_or(default)
    };
    let mut alerts = Vec::new();
    let letters_max = limit("letters_max", LETTERS_MAX);
    if status.letters > letters_max {
        let action = "look at `antiphon dlq list`, then replay or purge";
        alerts.push(alert(
            "dead_letters",
            "warning",
            (status.letters, letters_max),
            action,
        ));
    }
    let planned_max = limit("runs_planned_max", RUNS_PLANNED_MAX);
    if status.runs_planned > planned_max {
        let action = "look at `antiphon run list --state planned`; more slots may help";
        alerts.push(alert(
            "runs_waiting",
            "warning",
            (status.runs_planned, planned_max),
            action,
        ));
    }
    if status.admission.is_err() {
        let (kind, action) = match status.admission {
            Err("engine.disk_full") => ("disk_full", "free space where the data root lies"),
            _ => (
                "signals_refused",
                "look at `antiphon ledger witness status`",
            ),
        };
        alerts.push(alert(kind, "critical", (0, 0), action));
    }
    if status.runs_stopping > u64::from(status.slots) / 2 && status.runs_stopping > 0 {
        let value = (status.runs_stopping, u64::from(status.slots) / 2);
        alerts.push(alert(
            "runs_stuck",
            "critical",
            value,
            "processes do not die; see dmesg",
        ));
    }
    if !status.monitors_failing.is_empty() {
        let failing = u64::try_from(status.monitors_failing.len()).unwrap_or(u64::MAX);
        let action = "look at `antiphon status`";
        alerts.push(alert("monitors_failing", "warning", (failing, 0), action));
    }
    for standing in &status.alarms {
        let action = format!("{} See docs/errors/{}.md.", standing.detail, standing.code);
        let identity = format!("{} {}", standing.code, standing.subject);
        alerts.push(alert_of(
            identity.trim_end(),
            standing.code,
            "critical",
            (1, 0),
            &action,
        ));
    }
    if status.reload_error.is_some() {
        let action = "run `antiphon config check`";
        alerts.push(alert("configuration_refused", "warning", (1, 0), action));
    }
    alerts
}

fn alert(kind: &str, severity: &str, value: (u64, u64), action: &str) -> Observation {
    alert_of(kind, kind, severity, value, action)
}

fn alert_of(
    identity: &str,
    kind: &str,
    severity: &str,
    value: (u64, u64),
    action: &str,
) -> Observation {
    let (metric_value, threshold) = value;
    let facts = serde_json::json!({
        "alert_type": kind,
        "metric_value": metric_value,
        "recommended_action": action,
        "severity": severity,
        "threshold": threshold,
    });
    let facts = Document::from_serialize(&facts, &JsonLimits::FACTS)
        .and_then(Facts::from_document)
        .unwrap_or_else(|_error| Facts::empty());
    Observation {
        identity: identity.to_owned(),
        repeat: Repeat::OnChange,
        facts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handle::Alarm;

    #[test]
    fn each_alarm_is_an_alert_of_its_own_and_none_is_none() {
        let alarm = |subject: &str| Alarm {
            code: "witness.unsigned",
            subject: subject.to_owned(),
            detail: "it does not trust the key".to_owned(),
        };
        let mut status = Status::unknown();
        assert!(look(&status, &Facts::empty()).is_empty());
        status.alarms = vec![alarm("one"), alarm("other")];
        let alerts = look(&status, &Facts::empty());
        let identities: Vec<&str> = alerts.iter().map(|it| it.identity.as_str()).collect();
        assert_eq!(
            identities,
            ["witness.unsigned one", "witness.unsigned other"]
        );
        let facts = alerts[0].facts.text();
        assert!(
            facts.contains(r#""alert_type":"witness.unsigned""#),
            "{facts}"
        );
    }
}
