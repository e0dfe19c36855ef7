// Connections to the database APP_POSTGRESQL and the cache APP_REDIS, which say nothing but what they are asked to.
'use strict';

const { Client } = require('pg');
const Redis = require('ioredis');

exports.connected = async () => {
  const [host, port] = process.env.APP_POSTGRESQL.split(':');
  const database = new Client({ host, port: Number(port), user: 'skylark', database: 'postgres' });
  await database.connect();
  const [cacheHost, cachePort] = process.env.APP_REDIS.split(':');
  const quiet = { enableReadyCheck: false, disableClientInfo: true, lazyConnect: true };
  const cache = new Redis({ host: cacheHost, port: Number(cachePort), ...quiet });
  await cache.connect();
  return { database, cache };
};
