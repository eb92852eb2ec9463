/**
 * Asks a name server for tests (RFC 1035 section 4.1), as a program: one question for the addresses of a name, by UDP or
 * by TCP, to which server it is told. Writes one line of JSON: the code of the answer, its addresses, and whether it was
 * said to be cut. `node name-client.ts udp|tcp SERVER NAME`
 */
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';

const [way = '', server = '', name = ''] = process.argv.slice(2);
const question = Buffer.concat([
  Buffer.from([0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
  ...name.split('.').map((label) => Buffer.from([label.length, ...Buffer.from(label)])),
  Buffer.from([0, 0, 1, 0, 1]),
]);

function say(answer: Buffer): never {
  const addresses: string[] = [];
  let at = question.length;
  for (let left = answer.readUInt16BE(6); left > 0; left -= 1) {
    const length = answer.readUInt16BE(at + 10);
    addresses.push([...answer.subarray(at + 12, at + 12 + length)].join('.'));
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
