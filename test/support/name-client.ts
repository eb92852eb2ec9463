/**
 * Asks a name server for tests (RFC 1035 section 4.1), as a program: one question for the records of a name of one type
 * (1, A, without it; 28, AAAA; 12, PTR), by UDP or by TCP, to which server it is told. Writes one line of JSON: the code of
 * the answer, its addresses or names, and whether it was said to be cut. `node name-client.ts udp|tcp SERVER NAME [TYPE]`
 */
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';

const [way = '', server = '', name = '', typeText = '1'] = process.argv.slice(2);
const type = Number(typeText);
const question = Buffer.concat([
  Buffer.from([0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
  ...name.split('.').map((label) => Buffer.from([label.length, ...Buffer.from(label)])),
  Buffer.from([0, 0, type, 0, 1]),
]);

/** A record's data as a text: a name that is written out, sixteen bytes as groups, others as bytes. */
function textOf(data: Buffer): string {
  if (type === 28) return (data.toString('hex').match(/.{4}/g) ?? []).join(':');
  if (type !== 12) return [...data].join('.');
  const labels: string[] = [];
  for (let at = 0; at < data.length && data[at] !== 0; at += 1 + (data[at] ?? 0)) {
    labels.push(data.toString('latin1', at + 1, at + 1 + (data[at] ?? 0)));
  }
  return labels.join('.');
}

function say(answer: Buffer): never {
  const addresses: string[] = [];
  let at = question.length;
  for (let left = answer.readUInt16BE(6); left > 0; left -= 1) {
    const length = answer.readUInt16BE(at + 10);
    addresses.push(textOf(answer.subarray(at + 12, at + 12 + length)));
    at += 12 + length;
  }
  const flags = answer.readUInt16BE(2);
  process.stdout.write(JSON.stringify({ code: flags & 15, addresses, isCut: (flags & 0x200) > 0 }));
  process.exit(0);
}

setTimeout(() => {
  process.stdout.write(JSON.stringify({ code: -1, addresses: [], isCut: false }));
  process.exit(0);
}, 3_000);
if (way === 'udp') {
  const socket = createSocket(server.includes(':') ? 'udp6' : 'udp4');
  socket.on('message', say);
  socket.send(question, 53, server);
} else {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(question.length);
  let heard = Buffer.alloc(0);
  const connection = connect(53, server, () => connection.write(Buffer.concat([length, question])));
  connection.on('error', () => undefined);
  connection.on('data', (part) => {
    heard = Buffer.concat([heard, part]);
    if (heard.length > 1 && heard.length >= 2 + heard.readUInt16BE(0)) say(heard.subarray(2));
  });
}
