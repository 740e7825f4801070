-- Whoever is an admin may do all that a workspace lets people do, in the workspaces that there are too.
INSERT INTO role_permissions (workspace, role, permission)
    SELECT r.workspace, r.id, p.permission FROM roles r CROSS JOIN (
        SELECT 'members.read' AS permission UNION ALL
        SELECT 'members.manage' UNION ALL
        SELECT 'teams.manage' UNION ALL
        SELECT 'roles.manage' UNION ALL
        SELECT 'rules.manage' UNION ALL
        SELECT 'directories.manage' UNION ALL
        SELECT 'workspace.manage' UNION ALL
        SELECT 'data.export' UNION ALL
        SELECT 'keys.manage'
    ) p WHERE r.built_in AND r.name_key = 'admin' AND NOT EXISTS (
        SELECT 1 FROM role_permissions h WHERE h.workspace = r.workspace AND h.role = r.id
        AND h.permission = p.permission
    );
