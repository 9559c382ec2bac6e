// Uses a server with Node's own client: node use.js http://host:port
const assert = require('node:assert');
const { createHash } = require('node:crypto');
const http = require('node:http');

const site = process.argv[2];
const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
const large = Buffer.alloc(2_000_000, 'abcdefg');
const sum = createHash('sha256').update(large).digest('hex');

// Sends a request and gives its status and whole body.
function ask(path, { method = 'GET', headers = {}, blocks = [] } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request(site + path, { method, headers, agent }, (answer) => {
      const body = [];
      answer.on('data', (block) => body.push(block));
      answer.on('end', () => resolve({ status: answer.statusCode, body: Buffer.concat(body) }));
      answer.on('error', reject);
    });
    request.on('error', reject);
    for (const block of blocks) request.write(block);
    request.end();
  });
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
  const stated = { ...chunked, headers: { 'Content-Length': large.length } };
  assert.equal((await ask('/digest', stated)).body, expected);
  const asking = { ...stated, headers: { ...stated.headers, Expect: '100-continue' } };
  assert.equal((await ask('/digest', asking)).body, expected);
  assert.equal((await ask('/stream')).body.length, 1_000_000);
  assert.equal((await ask('/nothing')).status, 204);
  console.log('all is well');
  agent.destroy();
}

main();
