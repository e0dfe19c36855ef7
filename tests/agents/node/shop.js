// A shop: an HTTP service with SkyWalking's agent for Node, which its SW_AGENT_* variables configure. Each request asks
// PostgreSQL, writes to Redis, and calls APP_NEXT.
'use strict';

require('skywalking-backend-js').default.start();

const http = require('node:http');
const { connected } = require('./clients');

const call = (url) =>
  new Promise((resolve, reject) => {
    // The agent sees http.request and not http.get.
    const request = http.request(url, (answer) => {
      answer.resume();
      answer.on('end', () => resolve(answer.statusCode));
    });
    request.on('error', reject);
    request.end();
  });

connected().then(({ database, cache }) => {
  const server = http.createServer(async (_request, response) => {
    try {
      await database.query('SELECT now()');
      await cache.set('shop', 'open');
      response.writeHead(await call(process.env.APP_NEXT)).end('bought');
    } catch (error) {
      response.writeHead(502).end(String(error));
    }
  });
  server.listen(0, '127.0.0.1', () => console.log(`listening on ${server.address().port}`));
});
