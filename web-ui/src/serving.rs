//! Serves a router on a socket, and lets go of those who take nothing.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt as _;
use socket2::SockRef;
use tokio::net::TcpListener;

/// Serves until it is dropped; the audit is told the address of each caller. A connection whose other
/// end takes nothing of what is sent to it for `patience` is closed, so that nobody holds a stream open
/// without reading it.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    patience: Duration,
) -> std::io::Result<()> {
    let listener = listener.tap_io(move |connection| {
        let socket = SockRef::from(&*connection);
        let set = socket
            .set_tcp_user_timeout(Some(patience))
            .and_then(|()| socket.set_tcp_nodelay(true));
        if let Err(error) = set {
            tracing::warn!(%error, "a connection of the web UI may stay open for long");
        }
    });
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).await
}
