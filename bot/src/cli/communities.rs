//! Which community a command is about.

use anyhow::bail;
use store::Community;

/// The community that is meant: the named one, by its number, title or id on its platform, or the only one there is.
///
/// # Errors
/// A sentence that lists what there is.
pub(super) fn chosen(mut all: Vec<Community>, named: Option<&str>) -> anyhow::Result<Community> {
    if all.is_empty() {
        bail!("the history is empty; `groupchat import` reads one");
    }
    let list = all.iter().map(listed).collect::<Vec<_>>().join(", ");
    if let Some(named) = named {
        all.retain(|community| is_called(community, named));
    }
    match (all.len(), named) {
        (1, _) => Ok(all.remove(0)),
        (0, _) => bail!("there is no community \"{}\"; there are {list}", named.unwrap_or_default()),
        (_, None) => bail!("there are several communities; name one with --community: {list}"),
        (_, Some(named)) => bail!("\"{named}\" could be several communities; name one by its number: {list}"),
    }
}

fn is_called(community: &Community, named: &str) -> bool {
    community.id.to_string() == named || community.external_id == named || community.title.eq_ignore_ascii_case(named)
}

fn listed(community: &Community) -> String {
    let Community { id, platform, .. } = community;
    format!("{id} (\"{}\" on {platform})", title(community))
}

/// What people call a community.
pub(super) fn title(community: &Community) -> String {
    let name = if community.title.is_empty() { &community.external_id } else { &community.title };
    chat::sanitise::one_line(name)
}
