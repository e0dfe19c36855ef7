// An HTTP service with SkyWalking's agent for Node, which its SW_AGENT_* variables configure. Each request calls APP_NEXT.
'use strict';

require('skywalking-backend-js').default.start();

const http = require('node:http');

const server = http.createServer((request, response) => {
  // The agent sees http.request and not http.get.
  const call = http.request(process.env.APP_NEXT, (answer) => {
    answer.resume();
    answer.on('end', () => response.writeHead(answer.statusCode).end('done'));
  });
  call.on('error', (error) => response.writeHead(502).end(String(error)));
  call.end();
});
server.listen(0, '127.0.0.1', () => console.log(`listening on ${server.address().port}`));
