-- wrk: creates users as Okta does, with a userName that no other run uses.
-- SCIM_TOKEN and SCIM_BENCH_RUN come from the environment.
local token = os.getenv("SCIM_TOKEN")
local run = os.getenv("SCIM_BENCH_RUN") or "0"
local number = 0
local headers = {
    ["Authorization"] = "Bearer " .. token,
    ["Content-Type"] = "application/scim+json",
    ["Accept"] = "application/scim+json",
}
local body = '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User",'
    .. '"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],'
    .. '"userName":"%s@example.com","name":{"givenName":"Isabella",'
    .. '"familyName":"Lindqvist-Okonkwo"},"emails":[{"primary":true,'
    .. '"value":"%s@example.com","type":"work"}],"phoneNumbers":[{"value":'
    .. '"+46 70 123 45 67","type":"mobile"}],"title":"Paid Social Lead",'
    .. '"displayName":"Isabella Lindqvist-Okonkwo","locale":"en-US",'
    .. '"externalId":"%s","groups":[],"urn:ietf:params:scim:schemas:'
    .. 'extension:enterprise:2.0:User":{"employeeNumber":"701984",'
    .. '"department":"Marketing","costCenter":"4130"},"active":true}'

request = function()
    number = number + 1
    local name = "u" .. run .. "-" .. number
    return wrk.format("POST", "/scim/v2/Users", headers,
        string.format(body, name, name, name))
end

