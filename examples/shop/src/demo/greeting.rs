//! What the demo prints when it is ready: where everything is, who can log in, and what to try.

use bff::config::Config;
use bff::identity::DEMO_PASSWORD;

use crate::backends::Backends;

pub fn text(config: &Config, backends: &Backends) -> String {
    let bff = config.http.public_url();
    let ws = bff.replacen("http", "ws", 1);
    let admin = config.admin.listen;
    let views = &config.views.dir;
    let control = backends.control_address();
    let upstreams: String = backends
        .upstreams()
        .iter()
        .map(|upstream| format!("  {:<10}{}\n", upstream.name(), upstream.address()))
        .collect();
    format!(
        r#"
The shop is open.

  bff       {bff}
  admin     http://{admin}/readyz
  control   http://{control}   slow down, break or stop what is below
{upstreams}
  accounts  user@shop.test, operator@shop.test, auditor@shop.test, admin@shop.test
  password  {DEMO_PASSWORD}

Log in, and load the home screen:

  TOKEN=$(curl -s {bff}/v1/auth/login -H 'content-type: application/json' \
    -d '{{"identifier":"user@shop.test","password":"{DEMO_PASSWORD}"}}' | sed 's/.*"accessToken":"\([^"]*\)".*/\1/')
  curl -i {bff}/v1/home -H "authorization: Bearer $TOKEN"

See what happens without the rewards, and with them again:

  curl -d '{{"delay_ms": 300}}' http://{control}/upstreams/loyalty
  curl -d '{{"delay_ms": 0}}' http://{control}/upstreams/loyalty

Have what is there at once, and the rest when it comes; see an order change; show a picture:

  curl -N '{bff}/v1/home?orders=1' -H "authorization: Bearer $TOKEN" -H 'accept: text/event-stream'
  ORDER=$(curl -s '{bff}/v1/orders?pageSize=1' -H "authorization: Bearer $TOKEN" | sed 's/.*"id":"\([^"]*\)".*/\1/')
  (sleep 2; curl -s -X POST {bff}/v1/orders/$ORDER/cancel -H "authorization: Bearer $TOKEN" > /dev/null) &
  curl -N -m 5 {bff}/v1/orders/$ORDER/status -H "authorization: Bearer $TOKEN"
  curl -i -T docs/control.png -H 'content-type: image/png' {bff}/v1/avatar -H "authorization: Bearer $TOKEN"

Talk to yourself in a room, with any client of WebSockets (https://github.com/vi/websocat):

  websocat -H="authorization: Bearer $TOKEN" {ws}/v1/rooms/blue

Save a file of {views}, and what it says is served at once; what is wrong with it stands in the log.

Ctrl-C stops everything.

"#
    )
}
