//! Which routes there are, and what each method needs.

use crate::workspace::keys::Permission;

/// A method of a route, and the permission that it needs; none where any key of the workspace will
/// do.
pub type Offered = (&'static str, Option<Permission>);

/// Every route below `/api/v1`: its path and what it offers. The guard tests go through this table,
/// and so does [`super::router`]. What each method does is said by an entry of `operations` in the file of
/// its handler.
pub const ROUTES: &[(&str, &[Offered])] = &[
    (
        "/workspaces",
        &[("GET", None), ("POST", Some(Permission::Everything))],
    ),
    ("/api-keys/acts", &[("GET", Some(Permission::Everything))]),
    (
        "/workspaces/{workspace}",
        &[
            ("GET", None),
            ("PATCH", Some(Permission::WorkspaceManage)),
            ("DELETE", Some(Permission::Everything)),
        ],
    ),
    (
        "/workspaces/{workspace}/suspend",
        &[("POST", Some(Permission::Everything))],
    ),
    (
        "/workspaces/{workspace}/resume",
        &[("POST", Some(Permission::Everything))],
    ),
    (
        "/workspaces/{workspace}/undelete",
        &[("POST", Some(Permission::Everything))],
    ),
    (
        "/workspaces/{workspace}/members",
        &[
            ("GET", Some(Permission::MembersRead)),
            ("POST", Some(Permission::MembersManage)),
        ],
    ),
    (
        "/workspaces/{workspace}/members/export",
        &[("GET", Some(Permission::DataExport))],
    ),
    (
        "/workspaces/{workspace}/imports",
        &[
            ("GET", Some(Permission::MembersManage)),
            ("POST", Some(Permission::MembersManage)),
        ],
    ),
    (
        "/workspaces/{workspace}/imports/{id}",
        &[("GET", Some(Permission::MembersManage))],
    ),
    (
        "/workspaces/{workspace}/imports/{id}/rows",
        &[("GET", Some(Permission::MembersManage))],
    ),
    (
        "/workspaces/{workspace}/members/bulk",
        &[("POST", Some(Permission::MembersManage))],
    ),
    (
        "/workspaces/{workspace}/members/release",
        &[("POST", Some(Permission::Everything))],
    ),
    (
        "/workspaces/{workspace}/members/{id}/protection",
        &[
            ("PUT", Some(Permission::Everything)),
            ("DELETE", Some(Permission::Everything)),
        ],
    ),
    (
        "/workspaces/{workspace}/members/{id}",
        &[
            ("GET", Some(Permission::MembersRead)),
            ("PATCH", Some(Permission::MembersManage)),
            ("DELETE", Some(Permission::MembersManage)),
        ],
    ),
    (
        "/workspaces/{workspace}/members/{id}/suspend",
        &[("POST", Some(Permission::MembersManage))],
    ),
    (
        "/workspaces/{workspace}/members/{id}/activate",
        &[("POST", Some(Permission::MembersManage))],
    ),
    (
        "/workspaces/{workspace}/members/{id}/{kind}/{name}",
        &[
            ("PUT", Some(Permission::MembersManage)),
            ("DELETE", Some(Permission::MembersManage)),
        ],
    ),
    (
        "/workspaces/{workspace}/members/{id}/explanation",
        &[("GET", Some(Permission::MembersRead))],
    ),
    (
        "/workspaces/{workspace}/history/diff",
        &[("GET", Some(Permission::MembersRead))],
    ),
    (
        "/workspaces/{workspace}/history/diff/teams",
        &[("GET", Some(Permission::MembersRead))],
    ),
    (
        "/workspaces/{workspace}/history/diff/roles",
        &[("GET", Some(Permission::MembersRead))],
    ),
    (
        "/workspaces/{workspace}/directories/{directory}/restore",
        &[("POST", Some(Permission::DirectoriesManage))],
    ),
    (
        "/workspaces/{workspace}/directories/{directory}/deleted-groups",
        &[("GET", Some(Permission::DirectoriesManage))],
    ),
    (
        "/workspaces/{workspace}/directories/{directory}/groups/{group}/restore/plan",
        &[("POST", Some(Permission::DirectoriesManage))],
    ),
    (
        "/workspaces/{workspace}/directories/{directory}/groups/{group}/restore",
        &[("POST", Some(Permission::DirectoriesManage))],
    ),
    (
        "/workspaces/{workspace}/members/{id}/activity",
        &[("GET", Some(Permission::MembersRead))],
    ),
    (
        "/workspaces/{workspace}/members/{id}/export",
        &[("GET", Some(Permission::DataExport))],
    ),
    (
        "/workspaces/{workspace}/members/{id}/restore",
        &[("POST", Some(Permission::MembersManage))],
    ),
    (
        "/workspaces/{workspace}/members/{id}/erase",
        &[("POST", Some(Permission::MembersManage))],
    ),
    (
        "/workspaces/{workspace}/teams",
        &[
            ("GET", Some(Permission::MembersRead)),
            ("POST", Some(Permission::TeamsManage)),
        ],
    ),
    (
        "/workspaces/{workspace}/teams/{id}",
        &[
            ("GET", Some(Permission::MembersRead)),
            ("PATCH", Some(Permission::TeamsManage)),
        ],
    ),
    (
        "/workspaces/{workspace}/teams/{id}/plan",
        &[("POST", Some(Permission::TeamsManage))],
    ),
    (
        "/workspaces/{workspace}/roles/{id}/plan",
        &[("POST", Some(Permission::RolesManage))],
    ),
    (
        "/workspaces/{workspace}/teams/{id}/explanation",
        &[("GET", Some(Permission::MembersRead))],
    ),
    (
        "/workspaces/{workspace}/roles/{id}/explanation",
        &[("GET", Some(Permission::MembersRead))],
    ),
    (
        "/workspaces/{workspace}/permissions/{name}/explanation",
        &[("GET", Some(Permission::MembersRead))],
    ),
    (
        "/workspaces/{workspace}/admission/explanation",
        &[("GET", Some(Permission::MembersManage))],
    ),
    (
        "/workspaces/{workspace}/roles",
        &[
            ("GET", Some(Permission::MembersRead)),
            ("POST", Some(Permission::RolesManage)),
        ],
    ),
    (
        "/workspaces/{workspace}/roles/{id}",
        &[
            ("GET", Some(Permission::MembersRead)),
            ("PATCH", Some(Permission::RolesManage)),
            ("DELETE", Some(Permission::RolesManage)),
        ],
    ),
    (
        "/workspaces/{workspace}/seats",
        &[
            ("GET", Some(Permission::MembersRead)),
            ("PUT", Some(Permission::Everything)),
        ],
    ),
    (
        "/workspaces/{workspace}/brake",
        &[
            ("GET", Some(Permission::MembersRead)),
            ("PUT", Some(Permission::WorkspaceManage)),
        ],
    ),
    (
        "/workspaces/{workspace}/brake/held",
        &[("GET", Some(Permission::MembersRead))],
    ),
    (
        "/workspaces/{workspace}/brake/release",
        &[("POST", Some(Permission::DirectoriesManage))],
    ),
    (
        "/workspaces/{workspace}/brake/reject",
        &[("POST", Some(Permission::DirectoriesManage))],
    ),
    (
        "/workspaces/{workspace}/brake/wait",
        &[("POST", Some(Permission::DirectoriesManage))],
    ),
    (
        "/workspaces/{workspace}/configuration",
        &[("GET", Some(Permission::WorkspaceManage))],
    ),
    (
        "/workspaces/{workspace}/configuration/plan",
        &[("POST", Some(Permission::WorkspaceManage))],
    ),
    (
        "/workspaces/{workspace}/configuration/apply",
        &[("POST", Some(Permission::WorkspaceManage))],
    ),
    (
        "/workspaces/{workspace}/directories",
        &[
            ("GET", Some(Permission::DirectoriesManage)),
            ("POST", Some(Permission::DirectoriesManage)),
        ],
    ),
    (
        "/workspaces/{workspace}/directories/{directory}/requests",
        &[("GET", Some(Permission::DirectoriesManage))],
    ),
    (
        "/workspaces/{workspace}/directories/{directory}/requests/bundle",
        &[("GET", Some(Permission::DirectoriesManage))],
    ),
    (
        "/workspaces/{workspace}/directories/{directory}/requests/{request}",
        &[("GET", Some(Permission::DirectoriesManage))],
    ),
    (
        "/workspaces/{workspace}/directories/{directory}/requests/{request}/replay",
        &[("POST", Some(Permission::DirectoriesManage))],
    ),
    (
        "/workspaces/{workspace}/directories/{directory}",
        &[("GET", Some(Permission::DirectoriesManage))],
    ),
    (
        "/workspaces/{workspace}/directories/{directory}/tokens",
        &[
            ("GET", Some(Permission::DirectoriesManage)),
            ("POST", Some(Permission::DirectoriesManage)),
        ],
    ),
    (
        "/workspaces/{workspace}/directories/{directory}/tokens/{id}",
        &[("DELETE", Some(Permission::DirectoriesManage))],
    ),
    (
        "/workspaces/{workspace}/directories/{directory}/live/plan",
        &[("POST", Some(Permission::DirectoriesManage))],
    ),
    (
        "/workspaces/{workspace}/directories/{directory}/live",
        &[("POST", Some(Permission::DirectoriesManage))],
    ),
    (
        "/workspaces/{workspace}/directories/{directory}/end",
        &[("POST", Some(Permission::DirectoriesManage))],
    ),
    (
        "/workspaces/{workspace}/directories/{directory}/end/plan",
        &[("POST", Some(Permission::DirectoriesManage))],
    ),
    (
        "/workspaces/{workspace}/directories/{directory}/undo-end",
        &[("POST", Some(Permission::DirectoriesManage))],
    ),
    (
        "/workspaces/{workspace}/directories/{directory}/adoption",
        &[("POST", Some(Permission::DirectoriesManage))],
    ),
    (
        "/workspaces/{workspace}/directories/{directory}/adoption/{list}",
        &[("GET", Some(Permission::DirectoriesManage))],
    ),
    (
        "/workspaces/{workspace}/directories/{directory}/runs",
        &[("GET", Some(Permission::DirectoriesManage))],
    ),
    (
        "/workspaces/{workspace}/directories/{directory}/runs/{run}",
        &[("GET", Some(Permission::DirectoriesManage))],
    ),
    (
        "/workspaces/{workspace}/directories/{directory}/runs/{run}/pause",
        &[("POST", Some(Permission::DirectoriesManage))],
    ),
    (
        "/workspaces/{workspace}/directories/{directory}/runs/{run}/resume",
        &[("POST", Some(Permission::DirectoriesManage))],
    ),
    (
        "/workspaces/{workspace}/directories/{directory}/runs/{run}/undo",
        &[("POST", Some(Permission::DirectoriesManage))],
    ),
    (
        "/workspaces/{workspace}/connections",
        &[
            ("GET", Some(Permission::WorkspaceManage)),
            ("POST", Some(Permission::WorkspaceManage)),
        ],
    ),
    (
        "/workspaces/{workspace}/connections/{id}",
        &[
            ("GET", Some(Permission::WorkspaceManage)),
            ("PATCH", Some(Permission::WorkspaceManage)),
            ("DELETE", Some(Permission::WorkspaceManage)),
        ],
    ),
    (
        "/workspaces/{workspace}/connections/{id}/enable",
        &[("POST", Some(Permission::WorkspaceManage))],
    ),
    (
        "/workspaces/{workspace}/connections/{id}/disable",
        &[("POST", Some(Permission::WorkspaceManage))],
    ),
    (
        "/workspaces/{workspace}/sign-in-policy",
        &[
            ("GET", Some(Permission::WorkspaceManage)),
            ("PATCH", Some(Permission::WorkspaceManage)),
        ],
    ),
    (
        "/workspaces/{workspace}/members/{id}/sessions",
        &[
            ("GET", Some(Permission::MembersRead)),
            ("DELETE", Some(Permission::MembersManage)),
        ],
    ),
    (
        "/workspaces/{workspace}/members/{id}/sessions/{session}",
        &[("DELETE", Some(Permission::MembersManage))],
    ),
    (
        "/workspaces/{workspace}/join-requests",
        &[("GET", Some(Permission::MembersManage))],
    ),
    (
        "/workspaces/{workspace}/join-requests/{id}",
        &[("DELETE", Some(Permission::MembersManage))],
    ),
    (
        "/workspaces/{workspace}/join-requests/{id}/approve",
        &[("POST", Some(Permission::MembersManage))],
    ),
    (
        "/workspaces/{workspace}/join-requests/{id}/decline",
        &[("POST", Some(Permission::MembersManage))],
    ),
    (
        "/workspaces/{workspace}/logins",
        &[("GET", Some(Permission::MembersRead))],
    ),
    (
        "/workspaces/{workspace}/domains",
        &[
            ("GET", Some(Permission::WorkspaceManage)),
            ("POST", Some(Permission::WorkspaceManage)),
        ],
    ),
    (
        "/workspaces/{workspace}/domains/{id}",
        &[
            ("PATCH", Some(Permission::WorkspaceManage)),
            ("DELETE", Some(Permission::WorkspaceManage)),
        ],
    ),
    (
        "/workspaces/{workspace}/domains/{id}/check",
        &[("POST", Some(Permission::WorkspaceManage))],
    ),
    (
        "/workspaces/{workspace}/domains/{id}/attest",
        &[("POST", Some(Permission::Everything))],
    ),
    (
        "/workspaces/{workspace}/rules",
        &[
            ("GET", Some(Permission::RulesManage)),
            ("POST", Some(Permission::RulesManage)),
        ],
    ),
    (
        "/workspaces/{workspace}/rules/{id}",
        &[
            ("GET", Some(Permission::RulesManage)),
            ("PATCH", Some(Permission::RulesManage)),
            ("DELETE", Some(Permission::RulesManage)),
        ],
    ),
    (
        "/workspaces/{workspace}/rules/plan",
        &[("POST", Some(Permission::RulesManage))],
    ),
    (
        "/workspaces/{workspace}/rules/apply",
        &[("POST", Some(Permission::RulesManage))],
    ),
    (
        "/workspaces/{workspace}/groups/plan-delete",
        &[("POST", Some(Permission::RulesManage))],
    ),
    (
        "/workspaces/{workspace}/plans/{id}",
        &[("GET", Some(Permission::RulesManage))],
    ),
    (
        "/workspaces/{workspace}/runs",
        &[("GET", Some(Permission::RulesManage))],
    ),
    (
        "/workspaces/{workspace}/runs/{id}",
        &[("GET", Some(Permission::RulesManage))],
    ),
    (
        "/workspaces/{workspace}/runs/{id}/pause",
        &[("POST", Some(Permission::RulesManage))],
    ),
    (
        "/workspaces/{workspace}/runs/{id}/resume",
        &[("POST", Some(Permission::RulesManage))],
    ),
    (
        "/workspaces/{workspace}/runs/{id}/undo",
        &[("POST", Some(Permission::RulesManage))],
    ),
    (
        "/workspaces/{workspace}/api-keys",
        &[
            ("GET", Some(Permission::KeysManage)),
            ("POST", Some(Permission::KeysManage)),
        ],
    ),
    (
        "/workspaces/{workspace}/api-keys/{id}",
        &[("DELETE", Some(Permission::KeysManage))],
    ),
];
