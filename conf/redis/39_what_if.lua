-- What a dry run has to know beside the facts of each person.

-- what_if_app <app> → OK <record> <seats in use> <waiting> <who lose the app
-- within the guard's window> <people for its percentage> <open hold or empty>
register('what_if_app', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local key, limits = app_key(c, args[4]), guard_limits(c, args[4])
    local record = call('GET', key)
    if not record then
        return { 'NOTFOUND', 'app' }
    end
    local leaving = call('ZCOUNT', key .. ':leaving', number_text(c.now
        - limits.window), '+inf')
    local waiting = call('ZCARD', key .. ':waiting')
    local base = call('ZCARD', key .. ':grants') - waiting
    return { 'OK', record, call('ZCARD', key .. ':seated'), waiting, leaving,
        leaving > 0 and math.max(base, limits.base) or base,
        call('GET', key .. ':hold') or '' }
end, { 'no-writes' })

-- what_if_people <app> <team:id|user:id|empty: all with a grant> <after>
-- <limit> → OK <after, to go on, or empty> { <user> <place in line, 0 = none> }
register('what_if_people', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local key, limit = app_key(c, args[4]), tonumber(args[7])
    local kind, id = string.match(args[5], '^(%a+):(.*)$')
    local page
    if kind == 'user' then
        page = args[6] == '' and { id } or {}
    else
        page = id_page(kind and c.prefix .. 'team:' .. id .. ':members'
            or key .. ':grants', args[6], limit)
    end
    local out = { 'OK', #page == limit and page[#page] or '' }
    for _, user in ipairs(page) do
        local place = call('ZRANK', key .. ':waiting', user)
        out[#out + 1] = user
        out[#out + 1] = place and place + 1 or 0
    end
    return out
end, { 'no-writes' })
