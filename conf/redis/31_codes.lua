-- Links of /join.  A code stands in its grant; a key has only its SHA-256.

local codes = {
    KEPT = 30 * 86400, -- seconds that a link of a removed grant says so
    LASTS = 30 * 86400, -- seconds of a link whose app has no expiry
}

function codes.key(c, hash)
    return c.shard .. 'invite:' .. hash
end

-- The grant's link leads nowhere any more: 404.
function codes.take(c, app, user)
    local grant = grant_key(c, app, user)
    local hash = call('HGET', grant, 'codeHash')
    if hash and hash ~= '' then
        call('DEL', codes.key(c, hash))
    end
    call('HDEL', grant, 'code', 'codeHash', 'codeUntil')
end

-- Until when a link that begins now can be accepted.
function codes.ends(c, app)
    local lasts = tonumber(call('HGET', app_key(c, app) .. ':limits',
        'inviteExpire') or '') or codes.LASTS
    return number_text(c.now + lasts * 1000)
end

function codes.put(c, app, user, code, hash)
    call('HSET', grant_key(c, app, user), 'code', code, 'codeHash', hash,
        'codeUntil', codes.ends(c, app))
    call('SET', codes.key(c, hash), c.workspace .. ' ' .. app .. ' ' .. user)
end

-- A new link instead of the one there was.
function codes.give(c, app, user, code, hash)
    codes.take(c, app, user)
    codes.put(c, app, user, code, hash)
end

-- What the person said counts for the invite of then, not for the next one.
function codes.forget_steps(c, app, user)
    call('HDEL', grant_key(c, app, user), 'acceptedAt', 'accountAt',
        'connectedAt', 'invitedAt')
end

-- An invite begins: a link of before stays good.
function codes.begin(c, app, user, code, hash)
    local grant = grant_key(c, app, user)
    local had = call('HMGET', grant, 'code', 'acceptedAt', 'accountAt',
        'connectedAt', 'invitedAt')
    if had[2] or had[3] or had[4] or had[5] then
        codes.forget_steps(c, app, user)
    end
    if had[1] then
        call('HSET', grant, 'codeUntil', codes.ends(c, app))
    else
        codes.put(c, app, user, code, hash)
    end
end

-- The grant is removed: its link says for a while that it is over.
function codes.retire(c, app, user)
    local grant = grant_key(c, app, user)
    local hash = call('HGET', grant, 'codeHash')
    if hash and hash ~= '' then
        call('EXPIRE', codes.key(c, hash), codes.KEPT)
    end
    call('HDEL', grant, 'code', 'codeHash', 'codeUntil', 'missed')
    codes.forget_steps(c, app, user)
end
