-- What an operator changed: apps, shares, teams, tokens, webhooks.  Such an
-- entry has no states and, being no change of somebody's access yet, no user;
-- `op` says what was done, `resource` to which one.  Webhooks are not told.
local function audit_operator(c, op, resource, app, why, actor, txn)
    call('XADD', c.prefix .. 'audit', '*', 'ts', number_text(c.now), 'actor',
        actor or '', 'app', app, 'user', '', 'from', '', 'to', '', 'why',
        why or '', 'op', op, 'resource', resource, 'txn', txn or '', 'event',
        'operator')
end
