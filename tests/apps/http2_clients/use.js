// Uses a server with Node's own client of HTTP/2: node use.js URL streams|waits [CA-FILE]
const assert = require('node:assert');
const { createHash } = require('node:crypto');
const { once } = require('node:events');
const { readFileSync } = require('node:fs');
const { connect, constants } = require('node:http2');

const [site, how, authority] = process.argv.slice(2);
const large = Buffer.alloc(2_000_000, 'abcdefg');
const sum = createHash('sha256').update(large).digest('hex');
const client = connect(site, authority ? { ca: readFileSync(authority) } : {});

// The fields, the whole body and the trailers of the answer to a stream.
function answerTo(stream) {
  return new Promise((resolve, reject) => {
    const answer = { interim: [], body: [] };
    stream.on('headers', (fields) => answer.interim.push(fields[':status']));
    stream.on('response', (fields) => Object.assign(answer, { fields, status: fields[':status'] }));
    stream.on('trailers', (trailers) => Object.assign(answer, { trailers }));
    stream.on('data', (block) => answer.body.push(block));
    stream.on('end', () => resolve({ ...answer, body: Buffer.concat(answer.body) }));
    stream.on('error', reject);
  });
}

function ask(path, { method = 'GET', fields = {}, blocks = [], trailers } = {}) {
  const head = { ':method': method, ':path': path, ...fields };
  const stream = client.request(head, { endStream: blocks.length === 0, waitForTrailers: Boolean(trailers) });
  if (trailers) stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  for (const block of blocks) stream.write(block);
  if (blocks.length) stream.end();
  return answerTo(stream);
}

async function main() {
  await once(client, 'remoteSettings');
  client.setLocalWindowSize(1 << 24);
  for (let n = 0; n < 20; n++) assert.equal((await ask('/')).body, 'hello');
  const many = await Promise.all(Array.from({ length: 300 }, () => ask('/')));
  assert(many.every(({ status, body }) => status === 200 && String(body) === 'hello'));

  const expected = `POST ${large.length} ${sum}`;
  const upload = { method: 'POST', blocks: [large.subarray(0, 9), large.subarray(9)] };
  assert.equal((await ask('/digest', upload)).body, expected);
  assert.equal((await ask('/digest', { ...upload, trailers: { 'x-sum': sum } })).body, expected);
  const stated = { 'content-length': large.length };
  assert.equal((await ask('/digest', { ...upload, fields: stated })).body, expected);

  // A body that is held back until it is asked for.
  const asking = client.request({ ':method': 'POST', ':path': '/digest', expect: '100-continue' });
  const asked = answerTo(asking);
  await once(asking, 'continue');
  asking.end(large);
  assert.equal((await asked).body, expected);

  // An upload and a download that their client gives up in the middle.
  const upwards = client.request({ ':method': 'POST', ':path': '/digest', ...stated });
  upwards.write(large.subarray(0, 1_000_000), () => upwards.close(constants.NGHTTP2_CANCEL));
  await once(upwards, 'close');
  const downwards = client.request({ ':path': '/large' });
  downwards.once('data', () => downwards.close(constants.NGHTTP2_CANCEL));
  await once(downwards, 'close');

  // A client that reads slowly holds up its own stream only.
  const slow = client.request({ ':path': '/large' });
  await once(slow, 'response');
  slow.pause();
  for (let n = 0; n < 20; n++) assert.equal((await ask('/stream')).body.length, 1_000_000);
  const rest = [];
  slow.on('data', (block) => rest.push(block)).resume();
  await once(slow, 'end');
  assert.equal(Buffer.concat(rest).length, 5_000_000);

  assert.equal((await ask('/nothing')).status, 204);
  const head = await ask('/', { method: 'HEAD' });
  assert.deepEqual([head.fields['content-length'], head.body.length], ['5', 0]);
  const cookies = (await ask('/cookie', { fields: { cookie: ['a=b', 'c=d'] } }));
  assert.equal(cookies.body, 'a=b; c=d');
  assert.deepEqual(cookies.fields['set-cookie'], ['a=b; Path=/', 'c=d; Path=/']);
  if (how === 'streams') {
    const call = { method: 'POST', fields: { te: 'trailers' }, blocks: [Buffer.alloc(5)] };
    const answer = await ask('/trailers', call);
    assert.deepEqual([answer.trailers['grpc-status'], answer.trailers['grpc-message']], ['0', 'fine']);
  }
  client.close();
  await once(client, 'close');
  console.log('all is well');
}

main();
