// A receiver of webhooks: verifies who sent them, drops repetitions, and goes by their order. Nothing but Node is needed.
//   WEBHOOK_SECRET=whsec_… PORT=8080 node receiver.mjs
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';

const { WEBHOOK_SECRET = '', PORT = '8080' } = process.env;
const TOLERANCE_SECONDS = 5 * 60;
const MAX_BODY_BYTES = 64 * 1024;

const key = WEBHOOK_SECRET.startsWith('whsec_') ? Buffer.from(WEBHOOK_SECRET.slice(6), 'base64') : WEBHOOK_SECRET;

/** Over the very bytes that came: parsing and printing JSON again would change them. */
function isGenuine(headers, body) {
  const { 'webhook-id': id = '', 'webhook-timestamp': timestamp = '', 'webhook-signature': signatures = '' } = headers;
  if (!(Math.abs(Date.now() / 1000 - Number(timestamp)) <= TOLERANCE_SECONDS)) return false;
  const expected = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest();
  // While a secret is being rotated there is one signature for each.
  return signatures.split(' ').some((signature) => {
    const [version, text = ''] = signature.split(',');
    const given = Buffer.from(text, 'base64');
    return version === 'v1' && given.length === expected.length && timingSafeEqual(given, expected);
  });
}

// In a real receiver these two live in its database and change in the transaction that handles the event.
const handledIds = new Set();
const lastSequences = new Map();

function handle(headers, event) {
  const id = headers['webhook-id'];
  if (handledIds.has(id)) return 'repeated';
  handledIds.add(id);
  const sequence = Number(headers['webhook-sequence']);
  // Something newer is known already, for instance because this event was sent again by hand.
  if (sequence <= (lastSequences.get(event.instanceId) ?? 0)) return 'outdated';
  lastSequences.set(event.instanceId, sequence);
  return 'handled';
}

async function read(request) {
  const chunks = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const server = createServer(async (request, response) => {
  const body = await read(request).catch(() => null);
  if (request.method !== 'POST' || body === null || !isGenuine(request.headers, body)) {
    response.writeHead(400).end();
    return;
  }
  const event = JSON.parse(body.toString('utf8'));
  const result = handle(request.headers, event);
  console.log(
    JSON.stringify({ result, id: request.headers['webhook-id'], event: event.event, instanceId: event.instanceId }),
  );
  // Answer at once: after 15 seconds the sender takes it for a failure and sends it again.
  response.writeHead(204).end();
});
server.listen(Number(PORT), '127.0.0.1', () => console.log(JSON.stringify({ listening: server.address().port })));
