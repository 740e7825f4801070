//! Groups of all sizes.

use anyhow::{Context, Result};
use gatehouse::virtual_idp::Request;

use crate::measure::Figures;
use crate::scenarios::{Target, add, create_group, ids};

const SMALL_GROUP_MEMBERS: usize = 10;
const ADDITIONS: usize = 500;

/// The name of a large group, which is also that of its rule.
pub(crate) fn big_group(size: usize) -> String {
    format!("Everybody {size}")
}

/// Groups of ten.
pub(crate) async fn small(
    target: &Target,
    users: &[String],
    newcomers: &[String],
    figures: &mut Vec<Figures>,
) -> Result<()> {
    let additions = ADDITIONS.min(newcomers.len());
    let small = additions.div_ceil(SMALL_GROUP_MEMBERS);
    let creates = (1..=small).map(|number| create_group(&format!("Small group {number:03}")));
    let small = ids(&target.send(1, creates.collect()).await?.result)?;
    let fill = users.chunks(SMALL_GROUP_MEMBERS).cycle().zip(&small);
    let fill = fill.map(|(members, group)| add(group, members)).collect();
    target.send(target.clients, fill).await?;
    let joins = newcomers
        .chunks(1)
        .take(additions)
        .zip(small.iter().cycle())
        .map(|(user, group)| add(group, user));
    let scenario = "add one member, group of 10, one client";
    target.run(figures, scenario, 1, joins.collect()).await?;
    Ok(())
}

/// One large group: filled by 100, joined one by one, read.
pub(crate) async fn large(
    target: &Target,
    (size, users, newcomers): (usize, &[String], &[String]),
    figures: &mut Vec<Figures>,
) -> Result<()> {
    let create = vec![create_group(&big_group(size))];
    let mut made = ids(&target.send(1, create).await?.result)?;
    let big = made
        .pop()
        .context("the big group should have been created")?;
    let everybody = &users[..users.len().min(size)];
    let fill = everybody.chunks(100).map(|members| add(&big, members));
    let size = everybody.len();
    let scenario = format!("add 100 members in a PATCH, up to {size}");
    target.run(figures, &scenario, 1, fill.collect()).await?;

    let additions = ADDITIONS.min(newcomers.len());
    let (alone, together) = newcomers[..additions].split_at(additions / 2);
    let alone = alone.chunks(1).map(|user| add(&big, user)).collect();
    let scenario = format!("add one member, group of {size}, one client");
    target.run(figures, &scenario, 1, alone).await?;
    let together = together.chunks(1).map(|user| add(&big, user)).collect();
    let scenario = format!("add one member, group of {size}");
    target
        .run(figures, &scenario, target.clients, together)
        .await?;

    let bare = format!("/Groups/{big}?excludedAttributes=members");
    let scenario = format!("group of {size} without members, one client");
    target
        .run(figures, &scenario, 1, vec![Request::get(bare); 200])
        .await?;
    let whole = Request::get(format!("/Groups/{big}"));
    let scenario = format!("group of {size} with members, one client");
    target.run(figures, &scenario, 1, vec![whole; 20]).await?;
    // The next run on a database that is kept makes it anew.
    target
        .send(1, vec![Request::delete(format!("/Groups/{big}"))])
        .await?;
    Ok(())
}
