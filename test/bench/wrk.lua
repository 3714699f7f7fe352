-- The bodies of the overhead bench for wrk: BODY (environment) names the file with @TEXT@ in it.
local file = assert(io.open(os.getenv("BODY")))
local before, after = file:read("l"):match("^(.*)@TEXT@(.*)$")
local i = 0

file:close()

function request()
	i = i + 1
	return wrk.format("POST", nil, {["Content-Type"] = "application/json"},
		before .. "text " .. i .. " of round 0" .. after)
end
