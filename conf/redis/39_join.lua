-- The invited person's steps, and what operators do about invites.

do -- names of this file alone

local OVER = { removed = true, removing = true, expired = true }
local IN = { accepted = true, connected = true }
local RESENT = { pending = true, invited = true, expired = true,
    failed = true, manual = true }
local GRANT_SHOWN = { 'state', 'role', 'accessRole', 'email', 'acceptedAt',
    'accountAt', 'connectedAt' }

-- The grant behind a link, whose workspace is the context's from now on; nil
-- and the code to answer when there is none, or none any more.
local function grant_of_code(c, hash)
    local found = call('GET', codes.key(c, hash))
    local workspace, app, user = string.match(found or '',
        '^(%S+) (%S+) (%S+)$')
    if not workspace then
        return nil, { 'NOTFOUND' }
    end
    c.workspace, c.prefix = workspace, c.shard .. workspace .. ':'
    local grant = call('HMGET', grant_key(c, app, user), 'state', 'codeHash',
        'codeUntil')
    local ends = tonumber(grant[3] or '') or 0
    if grant[2] ~= hash or OVER[grant[1]]
        or (not IN[grant[1]] and ends < c.now) or not exists(app_key(c, app))
    then
        return nil, { 'GONE' }
    end
    return { app = app, user = user }
end

-- join_show <sha256 of the code> → OK <workspace> <app record> <user record>
-- state role accessRole email acceptedAt accountAt connectedAt | NOTFOUND |
-- GONE.  Its workspace is none of the caller's: the code says it.
register('join_show', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local at, none = grant_of_code(c, args[4])
    if not at then
        return none
    end
    local out = { 'OK', c.workspace, call('GET', app_key(c, at.app)),
        call('GET', user_key(c, at.user)) or '' }
    push_fields(grant_key(c, at.app, at.user), GRANT_SHOWN, out)
    return out
end, { 'no-writes' })

local STEPS = {}

-- Whoever is asked while the invite is still under way has said so already
-- when it arrives: codes.follow().
function STEPS.accept(c, key, has)
    if has.state == 'held' and has.before == 'invited' then
        call('HSET', key, 'before', 'accepted')
    end
    call('HSET', key, 'acceptedAt', number_text(c.now))
end

function STEPS.account(c, key)
    call('HSET', key, 'accountAt', number_text(c.now))
end

function STEPS.connect(c, key, has)
    if has.state == 'held' and has.before == 'accepted' then
        call('HSET', key, 'before', 'connected')
    end
    call('HSETNX', key, 'accountAt', number_text(c.now))
    call('HSET', key, 'connectedAt', number_text(c.now))
end

-- Does the step come in its turn, and for the first time?
local function is_next(step, has)
    local accepted = has.acceptedAt or IN[has.state]
    if step == 'accept' then
        return not accepted
    elseif step == 'account' then
        return accepted and not has.accountAt and has.state ~= 'connected'
    end
    return accepted and not has.connectedAt and has.state ~= 'connected'
end

-- join_step <sha256 of the code> <accept|account|connect> <txn>: out of turn,
-- or again, it changes nothing.  → OK | NOTFOUND | GONE
register('join_step', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local at, none = grant_of_code(c, args[4])
    if not at then
        return none
    end
    local key, has = grant_key(c, at.app, at.user), {}
    because(c, 'join.' .. args[5], at.user, codes.actor(at.user), args[6],
        at.app)
    for _, name in ipairs({ 'state', 'before', 'acceptedAt', 'accountAt',
        'connectedAt' }) do
        has[name] = call('HGET', key, name) or nil
    end
    if is_next(args[5], has) then
        STEPS[args[5]](c, key, has)
        call('HINCRBY', key, 'v', '1')
        if args[5] == 'account' then
            audit_grant(c, codes.actor(at.user), at.app, at.user,
                has.state, has.state, 'says that the account exists')
        end
        if has.state == 'invited' or has.state == 'accepted' then
            codes.follow(c, at.app, at.user)
        end
    end
    return { 'OK' }
end, {})

-- The grant that an operator's request is about, or nil and the answer.
local function grant_for_operator(c, app, user)
    if not exists(app_key(c, app)) then
        return nil, { 'NOTFOUND', 'app' }
    end
    local grant = call('HMGET', grant_key(c, app, user), 'state', 'task',
        'code')
    if not grant[1] or grant[1] == 'removed' then
        return nil, { 'NOTFOUND', 'member' }
    end
    return { state = grant[1], task = grant[2] or '', code = grant[3] }
end

-- An invite under way has its link in hand; other work is no invite.
local function may_resend(c, grant)
    if not RESENT[grant.state] then
        return false
    end
    if grant.task == '' then
        return true
    end
    local task = call('HMGET', task_key(c, grant.task), 'kind', 'state')
    return task[2] ~= 'running' and (task[1] == 'invite'
        or task[1] == 'remind')
end

-- invite_resend <app> <user> <code> <its sha256> <actor> <txn>: a new link,
-- and the planner has the app called again.
register('invite_resend', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local app, user = args[4], args[5]
    local grant, none = grant_for_operator(c, app, user)
    if not grant then
        return none
    end
    if not may_resend(c, grant) then
        return { 'STATE' }
    end
    local key = grant_key(c, app, user)
    because(c, 'invite.resend', user, args[8], args[9], app)
    codes.give(c, app, user, args[6], args[7])
    call('HSET', key, 'resend', '1')
    call('HINCRBY', key, 'v', '1')
    audit_grant(c, args[8], app, user, grant.state, grant.state,
        'the invite is sent again, with a new link')
    mark_dirty(c, user, c.now)
    append_event(c, 'invite.resend', 'user', user, 0, args[8], args[9], '')
    return { 'OK' }
end, {})

-- invite_revoke <app> <user> <actor> <txn>: the link alone; the invite in the
-- app stays what it is.
register('invite_revoke', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local app, user = args[4], args[5]
    local grant, none = grant_for_operator(c, app, user)
    if not grant then
        return none
    end
    if not grant.code then
        return { 'NOTFOUND', 'link' }
    end
    because(c, 'invite.revoke', user, args[6], args[7], app)
    codes.take(c, app, user)
    call('HINCRBY', grant_key(c, app, user), 'v', '1')
    audit_grant(c, args[6], app, user, grant.state, grant.state,
        'the link of the invite is revoked')
    return { 'OK' }
end, { 'allow-oom' })

end
