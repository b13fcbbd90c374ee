use partnersam::blocking::{self, App};
use partnersam::{Error, ErrorKind};

use crate::world::{World, config, graph};

/// Opened and used where blocking is allowed: on a thread of no runtime.
fn opened(world: &World) -> App {
    let config = config(world.folder.path());
    let open = move || {
        let app = App::open(config)?;
        app.token(&graph(), &mut blocking::never)?;
        // From now on a thread drives its runtime.
        app.runtime()?;
        Ok::<_, Error>(app)
    };
    std::thread::spawn(open).join().expect("a thread").expect("an app")
}

#[tokio::test(flavor = "multi_thread")]
async fn it_may_be_dropped_inside_a_runtime() {
    let world = World::new().await;
    world.consent().await;
    drop(opened(&world));
    let app = opened(&world);
    tokio::task::spawn_blocking(move || drop(app)).await.expect("no panic");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_may_be_dropped_by_a_task_of_its_own_runtime() {
    let world = World::new().await;
    world.consent().await;
    let app = opened(&world);
    let runtime = app.runtime().expect("a runtime");
    let (told, done) = tokio::sync::oneshot::channel();
    runtime.spawn(async move {
        drop(app);
        told.send(()).expect("somebody waits");
    });
    done.await.expect("no panic");
}

#[tokio::test(flavor = "multi_thread")]
async fn inside_a_runtime_it_is_refused_and_does_not_panic() {
    let world = World::new().await;
    let refused = App::open(config(world.folder.path())).expect_err("a runtime is here");
    assert_eq!(refused.kind(), ErrorKind::NotSupported);
}
