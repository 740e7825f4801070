// A certified OpenID provider whose people are those that it is told of: whoever types a name is that
// person. Reads JSON from standard input: a line of `port` and `people`, then the `client` in a line of
// its own, as often as it changes. Says `ready` after each, and ends with its input.
import { createServer } from 'node:http';
import { stdin } from 'node:process';
import { createInterface } from 'node:readline';

import { Provider } from 'oidc-provider';

const lines = createInterface({ input: stdin })[Symbol.asyncIterator]();
const read = async () => {
  const { done, value } = await lines.next();
  return done ? null : JSON.parse(value);
};
const { port, people } = await read();

const answers = (clients) => new Provider(`http://127.0.0.1:${port}`, {
  clients,
  claims: {
    openid: ['sub'],
    profile: ['name', 'given_name', 'family_name'],
    email: ['email', 'email_verified'],
  },
  cookies: { keys: ['only for this run'] },
  features: {
    backchannelLogout: { enabled: true },
    devInteractions: { enabled: true },
    rpInitiatedLogout: { enabled: true },
  },
  findAccount: (_, id) => {
    const person = people[id];
    return person && { accountId: id, claims: () => ({ sub: id, ...person }) };
  },
  pkce: { required: () => true },
}).callback();

let answer = answers([]);
const server = createServer((request, response) => answer(request, response));
server.listen(port, '127.0.0.1', () => console.log('ready'));
for (let told = await read(); told; told = await read()) {
  answer = answers([told.client]);
  console.log('ready');
}
server.close();
server.closeAllConnections();
