//! Which function answers which route.

use axum::routing::{MethodRouter, delete, get, patch, post, put};

use super::{
    brake, bulk, configuration, connections, directories, directory_runs, domains, explanations,
    exports, group_restores, history, imports, join_requests, keys, logins, members, people, plans,
    protection, requests, rules, runs, sessions, sign_in_policy, teams, tokens, workspaces,
};
use crate::http::Shared;

/// What answers the methods of a route.
pub(super) fn of(path: &str) -> MethodRouter<Shared> {
    let path = path.trim_start_matches("/workspaces");
    if path.starts_with("/{workspace}/members") {
        of_members(path)
    } else if path.starts_with("/{workspace}/directories") {
        of_directories(path)
    } else {
        of_others(path)
    }
}

fn of_members(path: &str) -> MethodRouter<Shared> {
    match path {
        "/{workspace}/members" => get(members::list).post(members::create),
        "/{workspace}/members/export" => get(exports::members),
        "/{workspace}/members/bulk" => post(bulk::members),
        "/{workspace}/members/release" => post(protection::release),
        "/{workspace}/members/{id}/protection" => {
            put(protection::protect).delete(protection::unprotect)
        }
        "/{workspace}/members/{id}" => get(members::show)
            .patch(members::patch)
            .delete(members::remove),
        "/{workspace}/members/{id}/suspend" => post(members::suspend),
        "/{workspace}/members/{id}/activate" => post(members::activate),
        "/{workspace}/members/{id}/{kind}/{name}" => put(members::give).delete(members::take),
        "/{workspace}/members/{id}/explanation" => get(members::explain),
        "/{workspace}/members/{id}/activity" => get(people::activity),
        "/{workspace}/members/{id}/export" => get(people::export),
        "/{workspace}/members/{id}/restore" => post(history::put_back),
        "/{workspace}/members/{id}/erase" => post(people::erase),
        "/{workspace}/members/{id}/sessions" => get(sessions::list).delete(sessions::end_all),
        "/{workspace}/members/{id}/sessions/{session}" => delete(sessions::end),
        _ => MethodRouter::new(),
    }
}

fn of_directories(path: &str) -> MethodRouter<Shared> {
    match path {
        "/{workspace}/directories/{directory}/restore" => post(history::restore),
        "/{workspace}/directories/{directory}/deleted-groups" => get(group_restores::list),
        "/{workspace}/directories/{directory}/groups/{group}/restore/plan" => {
            post(group_restores::plan)
        }
        "/{workspace}/directories/{directory}/groups/{group}/restore" => {
            post(group_restores::restore)
        }
        "/{workspace}/directories" => get(workspaces::directories).post(tokens::create),
        "/{workspace}/directories/{directory}/requests" => get(requests::list),
        "/{workspace}/directories/{directory}/requests/bundle" => get(requests::bundle),
        "/{workspace}/directories/{directory}/requests/{request}" => get(requests::show),
        "/{workspace}/directories/{directory}/requests/{request}/replay" => post(requests::again),
        "/{workspace}/directories/{directory}/adoption" => post(directories::adopt),
        "/{workspace}/directories/{directory}/adoption/{list}" => get(directories::adoption),
        "/{workspace}/directories/{directory}" => get(directories::show),
        "/{workspace}/directories/{directory}/tokens" => get(tokens::list).post(tokens::issue),
        "/{workspace}/directories/{directory}/tokens/{id}" => delete(tokens::revoke),
        "/{workspace}/directories/{directory}/live/plan" => post(directories::plan_live),
        "/{workspace}/directories/{directory}/live" => post(directories::live),
        "/{workspace}/directories/{directory}/end" => post(directories::end),
        "/{workspace}/directories/{directory}/end/plan" => post(directories::plan_end),
        "/{workspace}/directories/{directory}/undo-end" => post(directories::undo_end),
        "/{workspace}/directories/{directory}/runs" => get(directory_runs::list),
        "/{workspace}/directories/{directory}/runs/{run}" => get(directory_runs::show),
        "/{workspace}/directories/{directory}/runs/{run}/pause" => post(directory_runs::pause),
        "/{workspace}/directories/{directory}/runs/{run}/resume" => post(directory_runs::resume),
        "/{workspace}/directories/{directory}/runs/{run}/undo" => post(directory_runs::undo),
        _ => MethodRouter::new(),
    }
}

fn of_others(path: &str) -> MethodRouter<Shared> {
    match path {
        "" => get(workspaces::list).post(workspaces::create),
        "/api-keys/acts" => get(keys::acts),
        "/{workspace}" => get(workspaces::show)
            .patch(workspaces::edit)
            .delete(workspaces::delete),
        "/{workspace}/suspend" => post(workspaces::suspend),
        "/{workspace}/resume" => post(workspaces::resume),
        "/{workspace}/undelete" => post(workspaces::undelete),
        "/{workspace}/imports" => get(imports::list).post(imports::create),
        "/{workspace}/imports/{id}" => get(imports::show),
        "/{workspace}/imports/{id}/rows" => get(imports::rows),
        "/{workspace}/history/diff" => get(history::diff),
        "/{workspace}/history/diff/teams" => get(history::diff_teams),
        "/{workspace}/history/diff/roles" => get(history::diff_roles),
        "/{workspace}/teams" => get(teams::list).post(teams::create),
        "/{workspace}/teams/{id}" => get(teams::show).patch(teams::patch),
        "/{workspace}/teams/{id}/plan" => post(teams::plan),
        "/{workspace}/roles/{id}/plan" => post(teams::plan_role),
        "/{workspace}/teams/{id}/explanation" => get(explanations::team),
        "/{workspace}/roles/{id}/explanation" => get(explanations::role),
        "/{workspace}/permissions/{name}/explanation" => get(explanations::permission),
        "/{workspace}/admission/explanation" => get(explanations::admission),
        "/{workspace}/roles" => get(teams::list_roles).post(teams::create_role),
        "/{workspace}/roles/{id}" => get(teams::show_role)
            .patch(teams::patch_role)
            .delete(teams::delete_role),
        "/{workspace}/seats" => get(workspaces::seats).put(workspaces::set_seats),
        "/{workspace}/brake" => get(brake::show).put(brake::set),
        "/{workspace}/brake/held" => get(brake::held),
        "/{workspace}/brake/release" => post(brake::release),
        "/{workspace}/brake/reject" => post(brake::reject),
        "/{workspace}/brake/wait" => post(brake::wait),
        "/{workspace}/configuration" => get(configuration::show),
        "/{workspace}/configuration/plan" => post(configuration::plan),
        "/{workspace}/configuration/apply" => post(configuration::apply),
        "/{workspace}/rules" => get(rules::list).post(rules::create),
        "/{workspace}/rules/{id}" => get(rules::show).patch(rules::patch).delete(rules::end),
        "/{workspace}/rules/plan" => post(plans::plan),
        "/{workspace}/rules/apply" => post(plans::apply),
        "/{workspace}/groups/plan-delete" => post(plans::plan_delete),
        "/{workspace}/plans/{id}" => get(plans::show),
        "/{workspace}/runs" => get(runs::list),
        "/{workspace}/runs/{id}" => get(runs::show),
        "/{workspace}/runs/{id}/pause" => post(runs::pause),
        "/{workspace}/runs/{id}/resume" => post(runs::resume),
        "/{workspace}/runs/{id}/undo" => post(runs::undo),
        "/{workspace}/connections" => get(connections::list).post(connections::create),
        "/{workspace}/connections/{id}" => get(connections::show)
            .patch(connections::patch)
            .delete(connections::remove),
        "/{workspace}/logins" => get(logins::list),
        "/{workspace}/connections/{id}/enable" => post(connections::enable),
        "/{workspace}/connections/{id}/disable" => post(connections::disable),
        "/{workspace}/sign-in-policy" => get(sign_in_policy::show).patch(sign_in_policy::patch),
        "/{workspace}/join-requests" => get(join_requests::list),
        "/{workspace}/join-requests/{id}" => delete(join_requests::remove),
        "/{workspace}/join-requests/{id}/approve" => post(join_requests::approve),
        "/{workspace}/join-requests/{id}/decline" => post(join_requests::decline),
        "/{workspace}/domains" => get(domains::list).post(domains::create),
        "/{workspace}/domains/{id}" => patch(domains::patch).delete(domains::remove),
        "/{workspace}/domains/{id}/check" => post(domains::check),
        "/{workspace}/domains/{id}/attest" => post(domains::attest),
        "/{workspace}/api-keys" => get(keys::list).post(keys::create),
        "/{workspace}/api-keys/{id}" => delete(keys::revoke),
        _ => MethodRouter::new(),
    }
}
