#!/usr/bin/env bash
# Checks the mock itself: one TAP line each, a non-zero exit if one fails.
set -u
cd "$(dirname "$0")" || exit 1

DIR=$(mktemp -d)
./qwen_mock --port 0 --port-file "$DIR/port" >"$DIR/log" 2>&1 &
MOCK=$!
trap 'kill "$MOCK" 2>/dev/null; wait "$MOCK" 2>/dev/null; rm -rf "$DIR"' EXIT
for _ in $(seq 100); do [ -s "$DIR/port" ] && break; sleep 0.02; done
URL=http://127.0.0.1:$(cat "$DIR/port")

LABELS=(refund bug praise)
RULE='Answer with exactly one label from the list and nothing else.'
OBJECT='Answer with one JSON object: {\"label\": ..., \"confidence\": ..., \"reason\": ...}'
TESTS=0 BAD=0

# ok NAME: reports whether the command before it succeeded
ok() {
	local rc=$?
	TESTS=$((TESTS + 1))
	if [ "$rc" = 0 ]; then echo "ok - $1"; else echo "not ok - $1"; BAD=$((BAD + 1)); fi
}

system() { printf 'Classify.\\n\\nLabels:\\n- refund: wants money\\n- bug\\n- praise\\n\\n%s' "$1"; }

# chat TEXT [MEMBERS] [RULE]: a chat request's body
chat() {
	printf '{"model":"m","messages":[{"role":"system","content":"%s"},{"role":"user","content":"%s"}],"max_tokens":60%s}' \
		"$(system "${3:-$RULE}")" "$1" "${2:-}"
}

CHOICE=',"structured_outputs":{"choice":["refund","bug","praise"]}'
GUIDED=',"guided_choice":["bug"]'
GRAMMAR=',"grammar":"root ::= \"refund\" | \"bug\""'
REGEX=',"regex":"(refund|praise)"'
FORMAT=',"format":{"type":"string","enum":["bug","praise"]},"stream":false'
SCHEMA=',"response_format":{"type":"json_schema","json_schema":{"name":"c","schema":{"properties":{"label":{"type":"string","enum":["refund","bug","praise"]},"reason":{"type":"string"}}}}}'
LOGPROBS=',"logprobs":true,"top_logprobs":5'

# post PATH BODY [CURL OPTIONS]: prints the body and a last line with the status
post() {
	local path=$1 body=$2
	shift 2
	curl -s -m 4 -w '\n%{http_code}\n' -H 'Content-Type: application/json' "$@" -d "$body" "$URL$path"
}
get() { curl -s -m 4 -w '\n%{http_code}\n' "$URL$1"; }
has() { grep -qF -- "$1" <<<"$OUT"; }
status() { [ "$(tail -n 1 <<<"$OUT")" = "$1" ]; }
content() { sed -n 's/.*"content":"\(\([^"\\]\|\\.\)*\)".*/\1/p;s/.*"response":"\(.*\)"}$/\1/p' <<<"$OUT" | head -n 1; }
# probability LABEL TEXT: by the rule
probability() { ./qwen_mock --posterior "$2" "${LABELS[@]}" | awk -F'\t' -v l="$1" '$1 == l { print $2 }'; }
winner() { ./qwen_mock --label "${LABELS[@]}" <<<"$1" | cut -f 1; }
winner2() { ./qwen_mock --label refund praise <<<"$1" | cut -f 1; }
# stat_of NAME: a count over all paths
stat_of() { curl -s "$URL/stats" | sed "s/.*[{,]\"$1\":\([0-9]*\),.*\"by_path\".*/\1/"; }

V1=/v1/chat/completions
T='The parcel never came.'

# the label and its probability
OUT=$(post /vllm$V1 "$(chat "$T" "$CHOICE$LOGPROBS")")
[ "$(content)" = "$(winner "$T")" ]; ok 'the label is the rule'\''s'
OUT=$(post /vllm$V1 "$(chat 'a bug report' "$CHOICE$LOGPROBS")")
P=$(grep -o '"logprob":-[0-9.]*' <<<"$OUT" | head -n 1 | cut -d: -f 2)
awk -v p="$P" -v want="$(probability bug 'a bug report')" 'BEGIN { d = exp(p) - want; exit !(d * d < 1e-16) }'
ok 'a masked logprob is the posterior'
OUT=$(post /llamacpp/alt=0/coverage=0.8$V1 "$(chat 'a bug report' "$LOGPROBS")")
P=$(grep -o '"logprob":-[0-9.]*' <<<"$OUT" | head -n 1 | cut -d: -f 2)
awk -v p="$P" -v want="$(probability bug 'a bug report')" 'BEGIN { d = exp(p) - 0.8 * want; exit !(d * d < 1e-16) }'
ok 'a raw logprob is the posterior times the coverage'

# constraints
OUT=$(post /vllm-old$V1 "$(chat "$T" "$GUIDED")"); [ "$(content)" = bug ]; ok 'vllm-old obeys guided_choice'
OUT=$(post /vllm$V1 "$(chat 'a refund' "$GUIDED")"); [ "$(content)" = refund ]; ok 'vllm ignores guided_choice'
OUT=$(post /llamacpp$V1 "$(chat 'praise' "$GRAMMAR")"); [[ "$(content)" =~ ^(refund|bug)$ ]]; ok 'llamacpp obeys a grammar'
OUT=$(post /sglang$V1 "$(chat 'a bug' "$REGEX")"); [[ "$(content)" =~ ^(refund|praise)$ ]]; ok 'sglang obeys a regex'
OUT=$(post /ollama/api/chat "$(chat 'a refund' "$FORMAT")"); [[ "$(content)" =~ ^\\\"(bug|praise)\\\"$ ]]; ok 'ollama obeys a format'
OUT=$(post /openai$V1 "$(chat 'a bug' "$SCHEMA")"); [[ "$(content)" == '{\"label\":\"bug\",\"reason\":'* ]]; ok 'a schema shapes the answer'
OUT=$(post /plain/inference "{\"prompt\":\"a bug\",\"system\":\"$(system "$OBJECT")\"}")
has '{\"label\":\"bug\",\"confidence\":'; ok '/inference answers with JSON in a string'

# errors
OUT=$(post /vllm/fail=401$V1 "$(chat x)"); has '{"error":"Unauthorized"}' && status 401; ok 'fail=401 in words of vLLM'
TGI=',"response_format":{"type":"regex","value":"(refund|praise)"}'
tgi() { chat "$1" "$2" | sed 's/"model":"m"/"model":"tgi"/'; }
OUT=$(post /tgi$V1 "$(tgi 'a bug' "$TGI")"); status 200 && [ "$(content)" = "$(winner2 'a bug')" ]; ok 'TGI: regex under the name value'
OUT=$(post /tgi$V1 "$(tgi x "$SCHEMA")"); status 422; ok "TGI: OpenAI's response_format is refused"
OUT=$(post /tgi$V1 "$(tgi x ',"top_p":1')"); has '`top_p` must be > 0.0 and < 1.0' && status 422; ok 'TGI: top_p 1 is refused'
OUT=$(post /tgi$V1 "$(chat x)"); has adapter && status 424; ok 'TGI: a name is an adapter'
OUT=$(post /lmdeploy$V1 "$(chat 'a bug' ',"response_format":{"type":"regex_schema","regex_schema":"(bug|praise)"}')"); [ "$(content)" = bug ]; ok 'LMDeploy: regex_schema'
OUT=$(post /lmdeploy$V1 "$(chat x ',"top_k":-1')"); has 'cannot be a negative integer' && status 400; ok 'LMDeploy: top_k -1 is refused'
OUT=$(post /dashscope$V1 "$(chat x ',"logprobs":true,"top_logprobs":6')"); has 'Range of top_logprobs should be [0, 5]' && has '"request_id"' && status 400; ok 'DashScope: five alternatives'
OUT=$(post /dashscope/body=tokenrate$V1 "$(chat x)"); has insufficient_quota && has '"request_id"' && status 429; ok 'DashScope: a rate in the words of a quota'
OUT=$(post /tgi/fail=429$V1 "$(chat x)"); has '"error_type":"overloaded"' && status 429; ok 'fail=429 in words of TGI'
OUT=$(post /llamacpp/context=30$V1 "$(chat "$T")"); has exceed_context_size_error && status 400; ok 'a context limit'
OUT=$(post /openai/refuse_field=logprobs$V1 "$(chat x "$LOGPROBS")"); has "'logprobs'" && status 400; ok 'a refused field is named'
OUT=$(post /openai/need_key=k$V1 "$(chat x)" -H 'Authorization: Bearer k'); status 200; ok 'the right key is let in'
OUT=$(post /vllm/nosuchkey=1$V1 "$(chat x)"); status 418; ok 'an unknown key is a 418'
OUT=$(for _ in 1 2 3; do post /vllm/fail=503/times=2$V1 "$(chat x)" | tail -n 1; done | xargs); [ "$OUT" = '503 503 200' ]; ok 'times=2'
OUT=$(for _ in 1 2; do post /vllm$V1 "$(chat 'row @@fail=500;times=1@@')" | tail -n 1; done | xargs); [ "$OUT" = '500 200' ]; ok 'a marker in a row counts by text'
OUT=$(post /vllm$V1 "$(chat x | sed 's/"m"/"m;fail=429"/')"); status 429; ok 'a key in the model'\''s name'

# spoilt answers
OUT=$(post /vllm/answer=wrong$V1 "$(chat x "$CHOICE")"); [ "$(content)" = not_a_label ]; ok 'answer=wrong'
OUT=$(post /vllm/answer=reasoncut$V1 "$(chat x "$SCHEMA")"); has '"finish_reason":"length"'; ok 'answer=reasoncut'
OUT=$(post /vllm/logprobs=inf$V1 "$(chat x "$CHOICE$LOGPROBS")"); has '"logprob":-Infinity'; ok 'logprobs=inf'

# who they are
OUT=$(get /vllm/v1/models); has '"owned_by":"vllm"'; ok 'vllm lists its model'
OUT=$(get /llamacpp/slots=3/props); has '"total_slots":3'; ok 'llamacpp tells its slots'
OUT=$(curl -s -i "$URL/llamacpp/health"); has 'Server: llama.cpp'; ok 'llamacpp names itself'
OUT=$(get /plain/v1/models); status 404; ok 'plain lists no models'

# the wire
post /vllm/reset=1$V1 "$(chat x)" >/dev/null; [ $? = 56 ]; ok 'reset=1'
post /vllm/half=1$V1 "$(chat x)" >/dev/null; [ $? = 18 ]; ok 'half=1'
post /vllm/stall=1$V1 "$(chat x)" -m 0.2 >/dev/null; [ $? = 28 ]; ok 'stall=1'
OUT=$(post /vllm/chunked=1$V1 "$(chat 'a bug' "$CHOICE")"); [ "$(content)" = bug ]; ok 'chunked=1'
N=$(post /vllm/huge=2$V1 "$(chat x)" | wc -c); [ "$N" -gt 2097152 ]; ok 'huge=2'

# counts
curl -s -X POST "$URL/reset" >/dev/null
FROM=$(date +%s%N)
for i in 1 2 3 4; do post /vllm/delay=100/slots=2$V1 "$(chat "row $i")" >/dev/null & PIDS[i]=$!; done
wait "${PIDS[@]}"
MS=$((($(date +%s%N) - FROM) / 1000000))
[ "$MS" -ge 200 ] && [ "$MS" -lt 390 ]; ok 'two slots serve four requests in two rounds'
[ "$(stat_of requests)" = 4 ] && [ "$(stat_of max_in_flight)" = 4 ]; ok '/stats counts requests and the most in flight'
OUT=$(curl -s "$URL/last?n=2" | grep -o '"model"' | wc -l); [ "$OUT" = 2 ]; ok '/last keeps bodies'

# replies of a real model; the hash is that of "a bug"
echo '["6a84240886479006","label",{"recorded":1}]' >"$DIR/replies"
./qwen_mock --port 0 --port-file "$DIR/replay_port" --replay "$DIR/replies" >>"$DIR/log" 2>&1 &
REPLAY=$!
for _ in $(seq 100); do [ -s "$DIR/replay_port" ] && break; sleep 0.02; done
URL=http://127.0.0.1:$(cat "$DIR/replay_port")
OUT=$(post /llamacpp$V1 "$(chat 'a bug' "$GRAMMAR")"); [ "$(head -n 1 <<<"$OUT")" = '{"recorded":1}' ]; ok 'a recorded reply comes as it is'
OUT=$(post /llamacpp$V1 "$(chat 'a bug' "$SCHEMA")"); status 418; ok 'not for a question in another form'
OUT=$(post /llamacpp$V1 "$(chat 'no bug' "$GRAMMAR")"); status 418; ok 'nor for another text'
OUT=$(post /llamacpp/fail=503$V1 "$(chat 'a bug' "$GRAMMAR")"); status 503; ok 'faults stay'
kill "$REPLAY" && wait "$REPLAY" 2>/dev/null
echo nonsense >"$DIR/replies"
! ./qwen_mock --port 0 --replay "$DIR/replies" 2>>"$DIR/log"; ok 'a file that is none is refused'

echo "1..$TESTS"
[ "$BAD" = 0 ]
