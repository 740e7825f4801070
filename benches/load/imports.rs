//! Tables of members: in, as a preview and for real, and out.

use anyhow::{Result, ensure};
use bytes::Bytes;
use gatehouse::virtual_idp::people::Company;
use serde_json::Value;

use crate::api::{Call, act, text};
use crate::mapping::Bench;
use crate::measure::Figures;
use crate::rules::team;

/// Brings so many people in: as a preview, for real, and once more, which finds nothing to do.
pub(crate) async fn imports(
    bench: &Bench<'_>,
    rows: usize,
    figures: &mut Vec<Figures>,
) -> Result<()> {
    let (api, watch) = (&bench.api, &bench.target.watch);
    let domain = format!("import{}.example", bench.uses);
    let table = table(&Company::generate(rows, &[], &domain, 5))?;
    for (what, path, outcome) in [
        ("preview", "/imports?preview=true", "created"),
        ("for real", "/imports", "created"),
        ("once more", "/imports", "unchanged"),
    ] {
        let call = Call::table(path, &table);
        let scenario = format!("import {rows} rows, {what}");
        let goes_on = async |started: Value| {
            let path = format!("/imports/{}", text(&started, "id")?);
            let done = api.wait_for(&path, "finished_at").await?;
            ensure!(
                done["outcomes"][outcome].as_u64() == u64::try_from(rows).ok(),
                "{what}: all should be {outcome}: {done}"
            );
            Ok(())
        };
        act((watch, figures), &scenario, api.ask(&call), goes_on).await?;
    }
    Ok(())
}

/// Takes everybody out.
pub(crate) async fn exports(bench: &Bench<'_>, figures: &mut Vec<Figures>) -> Result<()> {
    for format in ["csv", "json"] {
        let call = Call::get(format!("/members/export?format={format}"));
        let scenario = format!("export all members as {format}");
        let figures = (&bench.target.watch, &mut *figures);
        let answers = bench.api.run(figures, &scenario, vec![call]).await?;
        // A line each, whatever the format.
        let lines = answers[0].split(|byte| *byte == b'\n').count();
        ensure!(
            lines > bench.users.len(),
            "{lines} lines for {}",
            bench.users.len()
        );
    }
    Ok(())
}

/// People as a spreadsheet writes them.
fn table(company: &Company) -> Result<Bytes> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record([
        "email",
        "firstName",
        "lastName",
        "displayName",
        "roles",
        "teams",
    ])?;
    for (number, person) in company.people.iter().enumerate() {
        let cells = [
            &person.email,
            &person.given,
            &person.family,
            &person.display_name(),
            "user",
            &team(number),
        ];
        writer.write_record(cells)?;
    }
    Ok(Bytes::from(writer.into_inner()?))
}
