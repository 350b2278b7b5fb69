//! What a page brings along to be run.

use crate::house::House;
use crate::person::Person;

/// Bytes of script, packed as they travel.
const SCRIPT_BYTES_MAX: u64 = 20_000;

const PACKED: &str = "(async () => {
    const sources = [...document.scripts].map(it => it.src);
    const texts = await Promise.all(sources.map(async source => (await fetch(source)).text()));
    const packed = new Blob(texts).stream().pipeThrough(new CompressionStream('gzip'));
    return [sources.length, (await new Response(packed).arrayBuffer()).byteLength];
})()";

#[tokio::test]
async fn all_script_together_stays_small() {
    let house = House::new();
    let serve = house.serve().await;
    let person = Person::of(&house, &serve, "minji", "view").await;
    person.open("/").await;
    let measured = person.tab.eval(PACKED).await;
    let (scripts, bytes) = (measured[0].as_u64().unwrap(), measured[1].as_u64().unwrap());
    assert!(scripts > 0 && (1..=SCRIPT_BYTES_MAX).contains(&bytes), "{scripts} scripts of {bytes} bytes");
    person.is_clean("the overview").await;
    serve.stop().await;
}
