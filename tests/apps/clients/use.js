// Uses a server with Node's own client: node use.js URL [CA-FILE]
const assert = require('node:assert');
const { createHash } = require('node:crypto');
const { once } = require('node:events');
const { readFileSync } = require('node:fs');

const [site, authority] = process.argv.slice(2);
const http = require(authority ? 'node:https' : 'node:http');
const ca = authority && readFileSync(authority);
const agent = new http.Agent({ keepAlive: true, maxSockets: 4, ca });
const large = Buffer.alloc(2_000_000, 'abcdefg');
const sum = createHash('sha256').update(large).digest('hex');

// The status and the whole body of the answer to a request.
function answerTo(request) {
  return new Promise((resolve, reject) => {
    request.on('response', (answer) => {
      const body = [];
      answer.on('data', (block) => body.push(block));
      answer.on('end', () => resolve({ status: answer.statusCode, body: Buffer.concat(body) }));
      answer.on('error', reject);
    });
    request.on('error', reject);
  });
}

function ask(path, { method = 'GET', headers = {}, blocks = [], trailers } = {}) {
  const request = http.request(site + path, { method, headers, agent });
  for (const block of blocks) request.write(block);
  if (trailers) request.addTrailers(trailers);
  request.end();
  return answerTo(request);
}

async function main() {
  for (let n = 0; n < 20; n++) assert.equal((await ask('/')).body, 'hello');
  const ports = new Set();
  for (let n = 0; n < 20; n++) ports.add(String((await ask('/peer')).body).split(' ')[1]);
  assert.equal(ports.size, 1);
  const many = await Promise.all(Array.from({ length: 100 }, () => ask('/')));
  assert(many.every(({ status }) => status === 200));

  const expected = `POST ${large.length} ${sum}`;
  const chunked = { method: 'POST', blocks: [large.subarray(0, 9), large.subarray(9)] };
  assert.equal((await ask('/digest', chunked)).body, expected);
  const trailers = { headers: { Trailer: 'X-Sum' }, trailers: { 'X-Sum': sum } };
  assert.equal((await ask('/digest', { ...chunked, ...trailers })).body, expected);
  const stated = { 'Content-Length': large.length };
  assert.equal((await ask('/digest', { ...chunked, headers: stated })).body, expected);

  // A body that is held back until it is asked for.
  const headers = { ...stated, Expect: '100-continue' };
  const asking = http.request(`${site}/digest`, { method: 'POST', headers, agent });
  const asked = answerTo(asking);
  asking.flushHeaders();
  await once(asking, 'continue');
  asking.end(large);
  assert.equal((await asked).body, expected);

  // An upload that its client gives up in the middle.
  const aborted = http.request(`${site}/digest`, { method: 'POST', headers: stated, agent });
  aborted.write(large.subarray(0, 1_000_000), () => aborted.destroy());
  await assert.rejects(answerTo(aborted), { code: 'ECONNRESET' });

  assert.equal((await ask('/stream')).body.length, 1_000_000);
  assert.equal((await ask('/nothing')).status, 204);
  assert.equal((await ask('/', { method: 'HEAD' })).body.length, 0);
  console.log('all is well');
  agent.destroy();
}

main();
