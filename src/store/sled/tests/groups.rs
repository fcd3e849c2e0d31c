//! Operations that are submitted together: whatever group they fall into, they
//! end as if they had come one after the other.

use super::*;
use crate::model::Subject;
use std::sync::Arc;

/// One of two operations on the same things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Begin,
    BeginOther,
    End,
    Refresh,
    Disable,
    EndAll,
}

const ACTS: [Act; 6] = [
    Act::Begin,
    Act::BeginOther,
    Act::End,
    Act::Refresh,
    Act::Disable,
    Act::EndAll,
];

/// What can be seen from outside: which sessions live, and what was answered.
type World = (Vec<bool>, Vec<bool>);

struct Scene {
    standing: SessionId,
    ids: [SessionId; 2],
}

async fn act(store: &SledStore, scene: &Scene, act: Act, slot: usize) -> bool {
    match act {
        Act::Begin => begin(store, scene.ids[slot], "a", "P01").await.is_ok(),
        Act::BeginOther => begin(store, scene.ids[slot], "b", "P01").await.is_ok(),
        Act::End => end(store, scene.standing).await.is_ok(),
        Act::Refresh => refresh(store, scene.standing, 0).await.is_ok(),
        Act::Disable => disable(store, "a").await.is_ok(),
        Act::EndAll => store
            .end_all(
                Subject::Everybody,
                EndReason::NotBefore,
                Cause::server(),
                NOW,
            )
            .await
            .is_ok(),
    }
}

async fn world(store: &SledStore, scene: &Scene, answers: Vec<bool>) -> World {
    let mut alive = Vec::new();
    for id in [scene.standing, scene.ids[0], scene.ids[1]] {
        alive.push(is_live(store, id).await);
    }
    (alive, answers)
}

fn scene(dir: &Path) -> (Arc<SledStore>, Scene) {
    let store = open(dir);
    let scene = Scene {
        standing: SessionId::draw(),
        ids: [SessionId::draw(), SessionId::draw()],
    };
    block_on(async {
        change(&store, shop()).await.expect("written");
        begin(&store, scene.standing, "a", "P01")
            .await
            .expect("written");
    });
    (Arc::new(store), scene)
}

fn serial(pair: [Act; 2], order: [usize; 2]) -> World {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, scene) = scene(dir.path());
    block_on(async {
        let mut answers = vec![false; 2];
        for slot in order {
            answers[slot] = act(&store, &scene, pair[slot], slot).await;
        }
        world(&store, &scene, answers).await
    })
}

fn together(pair: [Act; 2]) -> World {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, scene) = scene(dir.path());
    block_on(async {
        let (one, two) = tokio::join!(
            act(&store, &scene, pair[0], 0),
            act(&store, &scene, pair[1], 1)
        );
        world(&store, &scene, vec![one, two]).await
    })
}

#[test]
fn any_two_operations_submitted_together_equal_one_of_the_two_serial_results() {
    for first in ACTS {
        for second in ACTS {
            let pair = [first, second];
            let (forth, back) = (serial(pair, [0, 1]), serial(pair, [1, 0]));
            for _ in 0..3 {
                let together = together(pair);
                assert!(
                    together == forth || together == back,
                    "{pair:?}: {together:?} is neither {forth:?} nor {back:?}"
                );
            }
        }
    }
}
