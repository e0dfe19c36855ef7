// A shop's mail: takes orders from RabbitMQ, with SkyWalking's agent for Node, which its SW_AGENT_* variables configure. For
// each order it asks PostgreSQL and reads from Redis.
'use strict';

require('skywalking-backend-js').default.start();

const amqp = require('amqplib');
const { connected } = require('./clients');

async function main() {
  const { database, cache } = await connected();
  const connection = await amqp.connect(`amqp://${process.env.APP_RABBITMQ}`);
  const channel = await connection.createChannel();
  const { queue } = await channel.assertQueue('', { exclusive: true });
  await channel.bindQueue(queue, process.env.APP_EXCHANGE, '');
  // The agent's span of a message ends when this returns and all that was begun in it has ended.
  const take = () => {
    Promise.all([database.query('SELECT 2'), cache.get('mail')]).catch((error) => console.error(error));
  };
  await channel.consume(queue, take, { noAck: true });
  console.log('taking orders');
}

main();
